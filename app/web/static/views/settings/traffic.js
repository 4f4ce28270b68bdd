/** Traffic over time, of all, of one exit or of one device: a chart, the sums, and a file for spreadsheets. */

import { get } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Chart } from "../../components/chart.js";
import { Choice } from "../../components/choice.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { csv } from "../../lib/csv.js";
import { download } from "../../lib/download.js";
import { bytes } from "../../lib/numbers.js";
import { say } from "../../messages/messages.js";
import { devices, exits } from "../../store/gateway.js";
import { deviceName, exitName, nameOf } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { html, useEffect, useSignal } from "../../ui.js";
import { Sums } from "./sums.js";

/** @import { SeriesBody } from "../../../types/api.d.ts" */

const MINUTE = 60_000; // milliseconds
const ALL = "";
/** @type {() => [string, string][]} */
const ranges = () => [
  ["1h", say("statistics.hour")],
  ["24h", say("statistics.day")],
  ["7d", say("statistics.week")],
  ["30d", say("statistics.month")],
  ["52w", say("statistics.year")],
];

/** @type {() => [string, string][]} */
const subjects = () => [
  [ALL, say("statistics.all")],
  ...exits.value.map(({ name }) => /** @type {[string, string]} */ ([`exit=${name}`, exitName(name)])),
  ...(devices.value ?? []).map((each) => /** @type {[string, string]} */ ([`device=${each.mac}`, deviceName(each)])),
];

/** @param {SeriesBody} series */
function save({ points, step }) {
  const rows = points.map(({ time, up, down, covered }) => [new Date(time * 1000).toISOString(), down, up, covered]);
  const text = csv([["time_utc", "bytes_down", "bytes_up", "covered"], ...rows]);
  download(new Blob([text], { type: "text/csv" }), `vpn-gateway-traffic-${step}.csv`);
}

export function TrafficSection() {
  const range = useSignal("24h");
  const subject = useSignal(ALL);
  const [kind = "", name = ""] = subject.value.split("=");
  const query = `range=${range.value}${kind ? `&${kind}=${encodeURIComponent(name)}` : ""}`;
  const series = useLoaded(() => get(`/api/traffic?${query}`), query);
  const ofDevices = useLoaded(() => get(`/api/traffic/devices?range=${range.value}`), range.value);
  const ofExits = useLoaded(() => get(`/api/traffic/exits?range=${range.value}`), range.value);

  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") for (const each of [series, ofDevices, ofExits]) each.reload();
    }, MINUTE);
    return () => clearInterval(timer);
  }, [query]);

  const found = series.value;
  const sum = found && {
    down: bytes(found.sum.down, locale.value),
    up: bytes(found.sum.up, locale.value),
  };
  return html`<section class="card">
      <div class="entry">
        <${Choice} label=${say("statistics.range")} value=${range.value} options=${ranges()} save=${(
          /** @type {string} */ chosen,
        ) => {
          range.value = chosen;
        }} />
        <${Choice} label=${say("statistics.of")} value=${subject.value} options=${subjects()} save=${(
          /** @type {string} */ chosen,
        ) => {
          subject.value = chosen;
        }} />
      </div>
      <${Waiting} loaded=${series} />
      ${
        found &&
        sum &&
        html`<p role="status">${say("statistics.sum", sum)}</p>
          <${Chart}
            label=${say("statistics.sum", sum)}
            times=${found.points.map((point) => point.time)}
            lines=${[
              { label: say("traffic.down"), colour: "--accent", values: found.points.map((point) => point.down) },
              { label: say("traffic.up"), colour: "--open", values: found.points.map((point) => point.up) },
            ]}
            format=${(/** @type {number} */ value) => bytes(value, locale.value)}
          />
          <p><${Button} icon="download" action=${() => save(found)}>${say("statistics.csv")}<//></p>`
      }
    </section>
    <${Sums} title=${say("place.devices")} loaded=${ofDevices} rows=${ofDevices.value?.devices.map((each) => ({ ...each, name: each.mac === "other" ? say("statistics.other") : nameOf(each.mac) }))} />
    <${Sums} title=${say("place.exits")} loaded=${ofExits} rows=${ofExits.value?.exits.map((each) => ({ ...each, name: exitName(each.exit) }))} />`;
}
