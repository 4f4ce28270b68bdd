/** All that is let out in the clear, for a while or until somebody changes it; and what is blocked for a while. */

import { ExceptionRow } from "../../components/exception_row.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { devices, exceptions } from "../../store/gateway.js";
import { deviceName } from "../../store/names.js";
import { html } from "../../ui.js";
import { kindIcon } from "../devices/kinds.js";

/** @import { DeviceBody } from "../../../types/api.d.ts" */

/** @param {{ device: DeviceBody }} props */
const Standing = ({ device }) =>
  html`<li class="row" data-policy="direct">
    <span class="emblem small"><${Icon} icon=${kindIcon(device.kind)} /></span>
    <div class="grow">
      <p class="row-title">${say("exception.row", { device: deviceName(device), policy: say("policy.direct") })}</p>
      <p class="hint">${say(device.policy_source === "schedule" || device.policy_source === "group_schedule" ? "open.by_schedule" : "open.until_changed")}</p>
    </div>
    <a class="button plain" href=${`/devices/${device.mac}`} data-view aria-label=${say("open.change_label", { device: deviceName(device) })}>
      ${say("open.change")}
    </a>
  </li>`;

export function Exceptions() {
  const standing = (devices.value ?? []).filter((each) => each.policy === "direct" && each.exception === null);
  return html`<section class="card" aria-labelledby="exceptions">
    <h2 id="exceptions">${say("open.title")}</h2>
    <p class="hint">${say("open.what")}</p>
    ${
      exceptions.value.length + standing.length > 0
        ? html`<ul class="rows">
            ${exceptions.value.map((each) => html`<${ExceptionRow} key=${each.id} exception=${each} />`)}
            ${standing.map((each) => html`<${Standing} key=${each.mac} device=${each} />`)}
          </ul>`
        : devices.value && html`<p class="hint quiet"><${Icon} icon="check" />${say("open.none")}</p>`
    }
  </section>`;
}
