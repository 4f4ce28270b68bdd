/** Forgetting a device: all that was decided about it goes. */

import { Confirmation } from "../../../components/confirmation.js";
import { say } from "../../../messages/messages.js";
import { forget } from "../../../store/device_actions.js";
import { go } from "../../../store/location.js";
import { deviceName } from "../../../store/names.js";
import { unlessCancelled } from "../../../store/password.js";
import { html } from "../../../ui.js";

/** @import { DeviceBody } from "../../../../types/api.d.ts" */

/** @param {{ device: DeviceBody }} props */
export function Forget({ device }) {
  const name = deviceName(device);
  const action = () =>
    unlessCancelled(async () => {
      await forget(device);
      go("/devices");
    });
  return html`<div class="actions">
    <${Confirmation}
      icon="trash-2"
      text=${say("device.forget")}
      title=${say("device.forget_title", { device: name })}
      what=${say("device.forget_what", { device: name })}
      action=${action}
    />
  </div>`;
}
