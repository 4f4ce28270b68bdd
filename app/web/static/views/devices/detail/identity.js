/** Name, group and fixed address of a device. */

import { Button } from "../../../components/button.js";
import { Choice } from "../../../components/choice.js";
import { Icon } from "../../../components/icon.js";
import { LiveField } from "../../../components/live_field.js";
import { say } from "../../../messages/messages.js";
import { fixAddress, putIntoGroup, rename } from "../../../store/device_actions.js";
import { groups } from "../../../store/groups.js";
import { html } from "../../../ui.js";

/** @import { DeviceBody } from "../../../../types/api.d.ts" */

/** @param {DeviceBody} device */
const groupOptions = (device) => [
  ["", say("device.no_group")],
  ...[
    ...new Set([...(groups.value?.groups ?? []).map((each) => each.name), ...(device.group ? [device.group] : [])]),
  ].map((name) => [name, name]),
];

/** @param {{ device: DeviceBody }} props */
export const Identity = ({ device }) =>
  html`<section class="card form" aria-labelledby="identity">
    <h2 id="identity">${say("device.identity")}</h2>
    <${LiveField}
      label=${say("device.name")}
      value=${device.name ?? ""}
      placeholder=${device.hostname ?? ""}
      hint=${say("device.name_hint")}
      save=${(/** @type {string} */ name) => rename(device, name)}
    />
    <${Choice}
      label=${say("device.group")}
      value=${device.group ?? ""}
      options=${groupOptions(device)}
      save=${(/** @type {string} */ group) => putIntoGroup(device, group)}
    />
    <p><a href="/devices/groups" data-view><${Icon} icon="users" />${say("device.groups")}</a></p>
    <${LiveField}
      label=${say("device.fixed_address")}
      value=${device.fixed_address ?? ""}
      placeholder=${device.address ?? ""}
      hint=${say("device.fixed_address_hint")}
      longest=${15}
      save=${(/** @type {string} */ address) => fixAddress(device, address)}
    />
    ${
      device.address &&
      device.leased &&
      device.fixed_address === null &&
      html`<div class="actions">
        <${Button} action=${() => fixAddress(device, device.address ?? "")}>${say("device.keep_address", { address: device.address })}<//>
      </div>`
    }
  </section>`;
