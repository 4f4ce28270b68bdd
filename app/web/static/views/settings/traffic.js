/** Traffic over time, of all, of one exit or of one device, and the sums of each. */

import { get } from "../../api/client.js";
import { Choice } from "../../components/choice.js";
import { useLoaded } from "../../components/loaded.js";
import { RangeChoice } from "../../components/range_choice.js";
import { TrafficChart } from "../../components/traffic_chart.js";
import { say } from "../../messages/messages.js";
import { devices, exits } from "../../store/gateway.js";
import { deviceName, exitName, nameOf } from "../../store/names.js";
import { html, useSignal } from "../../ui.js";
import { Sums } from "./sums.js";

const ALL = "";

/** @type {() => [string, string][]} */
const subjects = () => [
  [ALL, say("statistics.all")],
  ...exits.value.map(({ name }) => /** @type {[string, string]} */ ([`exit=${name}`, exitName(name)])),
  ...(devices.value ?? []).map(
    (each) => /** @type {[string, string]} */ ([`device=${encodeURIComponent(each.mac)}`, deviceName(each)]),
  ),
];

export function TrafficSection() {
  const range = useSignal("24h");
  const subject = useSignal(ALL);
  const ofDevices = useLoaded(() => get(`/api/traffic/devices?range=${range.value}`), range.value);
  const ofExits = useLoaded(() => get(`/api/traffic/exits?range=${range.value}`), range.value);
  const chooseRange = (/** @type {string} */ chosen) => {
    range.value = chosen;
  };
  const chooseSubject = (/** @type {string} */ chosen) => {
    subject.value = chosen;
  };
  return html`<section class="card">
      <div class="entry">
        <${RangeChoice} value=${range.value} choose=${chooseRange} />
        <${Choice} label=${say("statistics.of")} value=${subject.value} options=${subjects()} save=${chooseSubject} />
      </div>
      <${TrafficChart} label=${say("settings.traffic")} range=${range.value} subject=${subject.value} />
    </section>
    <${Sums} title=${say("place.devices")} loaded=${ofDevices} rows=${ofDevices.value?.devices.map((each) => ({ ...each, name: each.mac === "other" ? say("statistics.other") : nameOf(each.mac) }))} />
    <${Sums} title=${say("place.exits")} loaded=${ofExits} rows=${ofExits.value?.exits.map((each) => ({ ...each, name: exitName(each.exit) }))} />`;
}
