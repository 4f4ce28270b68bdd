/** One exit in a sentence, with its state and its switch. */

import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { exitName } from "../../store/names.js";
import { html } from "../../ui.js";
import { ExitSwitch } from "./exit_switch.js";
import { sentenceOf, stateOf } from "./words.js";

/** @import { ExitBody } from "../../../types/api.d.ts" */

/** @type {Record<string, { icon: string }>} */
const EMBLEMS = {
  protected: { icon: "shield-check" },
  connecting: { icon: "loader-circle" },
  blocked: { icon: "shield-ban" },
};
const UNKNOWN = { icon: "globe" };

/** @param {{ exit: ExitBody }} props */
export function ExitCard({ exit }) {
  const name = exitName(exit.name);
  const { tone, text, why } = stateOf(exit);
  return html`<li class="card exit" data-tone=${tone}>
    <span class="emblem small"><${Icon} icon=${(EMBLEMS[tone] ?? UNKNOWN).icon} /></span>
    <div class="grow">
      <h2><a href=${`/exits/${exit.name}`} data-view>${name}</a></h2>
      <p>${sentenceOf(exit)}</p>
      <p class="exit-state">${text}</p>
      ${why && html`<p class="hint">${why}</p>`}
    </div>
    <${ExitSwitch} exit=${exit} />
    <div class="actions">
      <a class="button plain" href=${`/servers/${exit.name}`} data-view aria-label=${say("exits.choose_label", { exit: name })}>
        <${Icon} icon="list" />${say("exits.choose")}
      </a>
      <a class="button plain" href=${`/exits/${exit.name}`} data-view aria-label=${say("exits.details_label", { exit: name })}>
        <${Icon} icon="settings" />${say("exits.details")}
      </a>
    </div>
  </li>`;
}
