/** Connects or disconnects an exit. */

import { Switch } from "../../components/switch.js";
import { say } from "../../messages/messages.js";
import { isOn, switchOff, switchOn } from "../../store/exit_actions.js";
import { exitName } from "../../store/names.js";
import { isStale } from "../../store/tone.js";
import { html } from "../../ui.js";

/** @import { ExitBody } from "../../../types/api.d.ts" */

/** @param {{ exit: ExitBody }} props Nothing is shown while nobody knows what is so. */
export const ExitSwitch = ({ exit }) =>
  !isStale() &&
  html`<${Switch}
    label=${say("exits.switch", { exit: exitName(exit.name) })}
    on=${isOn(exit.name)}
    change=${(/** @type {boolean} */ on) => (on ? switchOn(exit) : switchOff(exit.name))}
  />`;
