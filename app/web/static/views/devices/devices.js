/** Devices: those that wait on top, then a row a device with its one control. */

import { EmptyState } from "../../components/empty_state.js";
import { Icon } from "../../components/icon.js";
import { SearchField } from "../../components/search_field.js";
import { say } from "../../messages/messages.js";
import { devices } from "../../store/gateway.js";
import { deviceName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { html, useSignal } from "../../ui.js";
import { DeviceRow } from "./device_row.js";
import { WaitingRow } from "./waiting_row.js";

/** @import { DeviceBody } from "../../../types/api.d.ts" */

/** @param {DeviceBody} device */
const words = ({ mac, name, hostname, vendor, addresses, group }) =>
  [mac, name, hostname, vendor, group, ...addresses].join(" ").toLowerCase();

/** @param {DeviceBody} a @param {DeviceBody} b */
const order = (a, b) =>
  Number(b.online) - Number(a.online) || deviceName(a).localeCompare(deviceName(b), locale.value, { numeric: true });

export function Devices() {
  const search = useSignal("");
  const all = devices.value;
  const waiting = (all ?? []).filter((each) => !each.admitted);
  const wanted = search.value.toLowerCase().split(/\s+/);
  const shown = (all ?? [])
    .filter((each) => each.admitted && wanted.every((word) => words(each).includes(word)))
    .sort(order);
  return html`<div class="devices">
    <div class="title-row">
      <h1 tabindex="-1">${say("place.devices")}</h1>
      <a class="button plain" href="/devices/groups" data-view><${Icon} icon="users" />${say("group.title")}</a>
    </div>
    ${
      waiting.length > 0 &&
      html`<section class="card waiting" aria-labelledby="waiting">
        <h2 id="waiting">${say("devices.waiting", { count: waiting.length })}</h2>
        <p class="hint">${say("devices.waiting_why")}</p>
        <ul class="rows">${waiting.map((each) => html`<${WaitingRow} key=${each.mac} device=${each} />`)}</ul>
      </section>`
    }
    <div class="search">
      <${SearchField}
        label=${say("devices.search")}
        value=${search.value}
        change=${(/** @type {string} */ text) => {
          search.value = text;
        }}
      />
      <p class="hint" role="status">${all && say("devices.count", { count: shown.length })}</p>
    </div>
    ${
      shown.length
        ? html`<ul class="rows card">${shown.map((each) => html`<${DeviceRow} key=${each.mac} device=${each} />`)}</ul>`
        : all &&
          html`<${EmptyState} icon="monitor-smartphone" title=${say(search.value ? "devices.none_found" : "devices.none")}>
            ${say(search.value ? "devices.none_found_next" : "devices.none_next")}
          <//>`
    }
  </div>`;
}
