/** A device that was never here before: it reaches nothing until it is admitted. */

import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { admit } from "../../store/actions.js";
import { deviceName } from "../../store/names.js";
import { html } from "../../ui.js";
import { kindIcon } from "./kinds.js";

/** @import { DeviceBody } from "../../../types/api.d.ts" */

/** @param {{ device: DeviceBody }} props */
export function WaitingRow({ device }) {
  const name = deviceName(device);
  return html`<li class="row">
    <span class="emblem small"><${Icon} icon=${kindIcon(device.kind)} /></span>
    <div class="grow">
      <p class="row-title"><a href=${`/devices/${device.mac}`} data-view>${name}</a></p>
      <p class="hint">${[device.vendor, device.address, device.mac].filter((each) => each && each !== name).join(" · ")}</p>
    </div>
    <${Button} kind="primary" action=${() => admit(device)} label=${say("devices.admit_label", { device: name })}>
      ${say("devices.admit")}
    <//>
  </li>`;
}
