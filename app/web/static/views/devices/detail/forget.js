/** Forgetting a device: all that was decided about it goes. */

import { Button } from "../../../components/button.js";
import { say } from "../../../messages/messages.js";
import { agreed } from "../../../store/confirmation.js";
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
      const [title, what] = [say("device.forget_title", { device: name }), say("device.forget_what", { device: name })];
      if (!(await agreed(title, what, say("device.forget")))) return;
      await forget(device);
      go("/devices");
    });
  return html`<div class="actions">
    <${Button} kind="danger" icon="trash-2" action=${action}>${say("device.forget")}<//>
  </div>`;
}
