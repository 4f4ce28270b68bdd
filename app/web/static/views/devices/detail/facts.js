/** What is known of a device: its addresses, its maker, when it was here. */

import { bytes } from "../../../lib/numbers.js";
import { ago, moment } from "../../../lib/time.js";
import { say, sayCode } from "../../../messages/messages.js";
import { now } from "../../../store/clock.js";
import { locale } from "../../../store/preferences.js";
import { html } from "../../../ui.js";

/** @import { DeviceBody } from "../../../../types/api.d.ts" */

/** @param {DeviceBody} device @returns {[string, string | null][]} */
function rows(device) {
  const spoken = locale.value;
  const { traffic } = device;
  return [
    [say("device.addresses"), device.addresses.join("\n") || device.address],
    [say("device.vendor"), device.vendor],
    [say("device.kind"), sayCode("kind", device.kind)],
    [say("device.hostname"), device.hostname],
    [say("device.mac"), device.mac],
    [say("device.first_seen"), device.first_seen === null ? null : moment(device.first_seen, now.value, spoken)],
    [
      say("device.last_seen"),
      device.online
        ? say("devices.online")
        : device.last_seen === null
          ? say("devices.never_seen")
          : ago(device.last_seen, now.value, spoken),
    ],
    [
      say("device.day"),
      traffic && say("devices.rate", { down: bytes(traffic.down, spoken), up: bytes(traffic.up, spoken) }),
    ],
  ];
}

/** @param {{ device: DeviceBody }} props */
export const Facts = ({ device }) =>
  html`<section class="card" aria-labelledby="facts">
    <h2 id="facts">${say("device.facts")}</h2>
    <dl class="facts device-facts">
      ${rows(device).map(([name, value]) => value && html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
    ${device.randomised && html`<p class="hint">${say("device.randomised")}</p>`}
  </section>`;
