/** Who is in a group: a tick for each device. */

import { Tick } from "../../../components/tick.js";
import { say } from "../../../messages/messages.js";
import { putIntoGroup } from "../../../store/device_actions.js";
import { devices } from "../../../store/gateway.js";
import { refreshGroups } from "../../../store/groups.js";
import { deviceName } from "../../../store/names.js";
import { locale } from "../../../store/preferences.js";
import { html } from "../../../ui.js";

/** @import { DeviceBody, GroupBody } from "../../../../types/api.d.ts" */

/** @param {DeviceBody} device @param {GroupBody} group @param {boolean} wanted */
async function setMember(device, group, wanted) {
  await putIntoGroup(device, wanted ? group.name : "");
  await refreshGroups();
}

/** @param {{ group: GroupBody }} props */
export function Members({ group }) {
  const all = [...(devices.value ?? [])].sort((a, b) => deviceName(a).localeCompare(deviceName(b), locale.value));
  return html`<fieldset class="ticks">
    <legend class="visually-hidden">${say("group.members_of", { group: group.name })}</legend>
    ${all.map(
      (device) =>
        html`<${Tick}
          key=${device.mac}
          label=${deviceName(device)}
          hint=${device.group && device.group !== group.name ? say("group.in_other", { group: device.group }) : undefined}
          checked=${device.group === group.name}
          save=${(/** @type {boolean} */ wanted) => setMember(device, group, wanted)}
        />`,
    )}
  </fieldset>`;
}
