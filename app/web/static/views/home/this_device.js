/** The device that the page is opened on: "This phone leaves by Sweden", and its one control. */

import { Countdown } from "../../components/countdown.js";
import { Icon } from "../../components/icon.js";
import { PolicyMenu } from "../../components/policy_menu.js";
import { say } from "../../messages/messages.js";
import { changePolicy } from "../../store/actions.js";
import { devices, me } from "../../store/gateway.js";
import { exitName, exitPlace } from "../../store/names.js";
import { exitStatus, toneOf } from "../../store/tone.js";
import { html } from "../../ui.js";
import { kindIcon } from "../devices/kinds.js";
import { OwnChoice } from "./own_choice.js";

/** @import { MeBody } from "../../../types/api.d.ts" */

/** @param {MeBody} mine */
function sentenceOf(mine) {
  if (mine.state === "direct") return say("me.direct");
  if (mine.state === "blocked" || !mine.exit || isDown(mine.exit)) return say("me.blocked");
  return say("me.vpn", { exit: exitPlace(mine.exit) });
}

/** @param {MeBody} mine Why it has no Internet; null where it has. */
function reasonOf(mine) {
  if (mine.state === "blocked") return say(mine.reason === "waiting" ? "me.waiting" : "me.why_blocked");
  return mine.exit && isDown(mine.exit) ? say("me.exit_down", { exit: exitName(mine.exit) }) : null;
}

/** @param {string} exit Whether it is known not to be up. */
const isDown = (exit) => (exitStatus(exit)?.state ?? "connected") !== "connected";

export function ThisDevice() {
  const mine = me.value;
  if (!mine) return null;
  const reason = reasonOf(mine);
  const device = devices.value?.find((each) => each.mac === mine.mac);
  return html`<section class="card this-device" data-tone=${mine.state === "blocked" ? "blocked" : toneOf(mine.policy)} aria-labelledby="this-device">
    <span class="emblem small"><${Icon} icon=${kindIcon(device?.kind ?? "unknown")} /></span>
    <div class="grow">
      <h2 id="this-device">${sentenceOf(mine)}</h2>
      <p class="hint">
        ${mine.name ? `${mine.name} · ` : ""}${mine.address}
        ${mine.until !== null && html` · <${Countdown} until=${mine.until} />`}
      </p>
      ${reason && html`<p class="hint">${reason}</p>`}
    </div>
    ${
      device
        ? html`<${PolicyMenu}
            label=${say("me.menu")}
            policy=${device.policy}
            choose=${(/** @type {string} */ choice) => changePolicy(device, choice)}
          />`
        : html`<${OwnChoice} mine=${mine} />`
    }
  </section>`;
}
