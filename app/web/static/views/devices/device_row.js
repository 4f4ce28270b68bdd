/** One device: what it is, what it does just now, and its one control. */

import { Countdown } from "../../components/countdown.js";
import { Icon } from "../../components/icon.js";
import { PolicyMenu } from "../../components/policy_menu.js";
import { rate } from "../../lib/numbers.js";
import { ago } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { changePolicy } from "../../store/actions.js";
import { now } from "../../store/clock.js";
import { exceptions } from "../../store/gateway.js";
import { deviceName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { toneOf } from "../../store/tone.js";
import { recentRates } from "../../store/traffic.js";
import { html } from "../../ui.js";
import { kindIcon } from "./kinds.js";

/** @import { DeviceBody } from "../../../types/api.d.ts" */

/** @param {DeviceBody} device */
function activity(device) {
  if (!device.online) {
    if (device.last_seen === null) return say("devices.never_seen");
    return say("devices.last_seen", { ago: ago(device.last_seen, now.value, locale.value) });
  }
  const just = recentRates.value.at(-1)?.devices[device.mac];
  if (!just) return say("devices.online");
  return say("devices.rate", { down: rate(just.down, locale.value), up: rate(just.up, locale.value) });
}

/** @param {{ device: DeviceBody }} props */
export function DeviceRow({ device }) {
  const name = deviceName(device);
  const exception = exceptions.value.find((each) => each.id === device.exception);
  const details = [device.vendor, device.addresses[0] ?? device.address, device.group].filter(
    (each) => each && each !== name,
  );
  return html`<li class="row device" data-online=${device.online} data-tone=${device.online ? toneOf(device.policy) : "stale"}>
    <span class="emblem small"><${Icon} icon=${kindIcon(device.kind)} /></span>
    <div class="grow">
      <p class="row-title"><a href=${`/devices/${device.mac}`} data-view>${name}</a></p>
      <p class="hint">${details.join(" · ")}</p>
      <p class="hint activity">
        ${activity(device)}${exception && html` · <${Countdown} until=${exception.until} />`}
      </p>
    </div>
    <${PolicyMenu}
      label=${say("devices.menu", { device: name })}
      policy=${device.policy}
      choose=${(/** @type {string} */ choice) => changePolicy(device, choice)}
    />
  </li>`;
}
