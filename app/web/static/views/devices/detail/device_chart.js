/** The traffic of a device over time. */

import { RangeChoice } from "../../../components/range_choice.js";
import { TrafficChart } from "../../../components/traffic_chart.js";
import { say } from "../../../messages/messages.js";
import { html, useSignal } from "../../../ui.js";

/** @param {{ mac: string }} props */
export function DeviceChart({ mac }) {
  const range = useSignal("24h");
  const choose = (/** @type {string} */ chosen) => {
    range.value = chosen;
  };
  return html`<section class="card traffic-card" aria-labelledby="device-traffic">
    <h2 id="device-traffic">${say("device.chart")}</h2>
    <${RangeChoice} value=${range.value} choose=${choose} />
    <${TrafficChart} label=${say("device.chart")} range=${range.value} subject=${`device=${encodeURIComponent(mac)}`} />
  </section>`;
}
