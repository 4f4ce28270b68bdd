/** Who is in a group: a tick for each device. */

import { sentenceOf } from "../../../api/errors.js";
import { say } from "../../../messages/messages.js";
import { putIntoGroup } from "../../../store/device_actions.js";
import { devices } from "../../../store/gateway.js";
import { refreshGroups } from "../../../store/groups.js";
import { deviceName } from "../../../store/names.js";
import { CancelledError } from "../../../store/password.js";
import { locale } from "../../../store/preferences.js";
import { tell } from "../../../store/toasts.js";
import { html } from "../../../ui.js";

/** @import { DeviceBody, GroupBody } from "../../../../types/api.d.ts" */

/** @param {DeviceBody} device @param {GroupBody} group @param {HTMLInputElement} tick */
async function toggle(device, group, tick) {
  const before = device.group === group.name;
  try {
    await putIntoGroup(device, before ? "" : group.name);
    await refreshGroups();
  } catch (error) {
    tick.checked = before;
    if (!(error instanceof CancelledError)) tell(sentenceOf(error), { bad: true });
  }
}

/** @param {{ group: GroupBody }} props */
export function Members({ group }) {
  const all = [...(devices.value ?? [])].sort((a, b) => deviceName(a).localeCompare(deviceName(b), locale.value));
  return html`<fieldset class="ticks">
    <legend class="visually-hidden">${say("group.members_of", { group: group.name })}</legend>
    ${all.map(
      (device) =>
        html`<label key=${device.mac}>
          <input
            type="checkbox"
            checked=${device.group === group.name}
            onChange=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) => toggle(device, group, currentTarget)}
          />
          <span>${deviceName(device)}</span>
          ${device.group && device.group !== group.name && html`<span class="hint">${say("group.in_other", { group: device.group })}</span>`}
        </label>`,
    )}
  </fieldset>`;
}
