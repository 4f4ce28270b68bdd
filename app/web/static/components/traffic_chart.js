/** Traffic over time, of all, of one exit or of one device: the rates drawn, the sums in words, a file for spreadsheets. */

import { get } from "../api/client.js";
import { csv } from "../lib/csv.js";
import { download } from "../lib/download.js";
import { bytes, rate } from "../lib/numbers.js";
import { ratesOf } from "../lib/series.js";
import { moment } from "../lib/time.js";
import { say } from "../messages/messages.js";
import { now } from "../store/clock.js";
import { locale } from "../store/preferences.js";
import { html, useEffect, useState } from "../ui.js";
import { Button } from "./button.js";
import { Chart } from "./chart.js";
import { useLoaded, Waiting } from "./loaded.js";

/** @import { SeriesBody } from "../../types/api.d.ts" */
/** @import { Line } from "./chart.js" */
/** @typedef {{ times: number[]; lines: Line[] }} Drawn Made once for each answer: a chart draws anew what is another object. */

const REFRESH = 60_000; // milliseconds: the gateway counts by minutes
const SECONDS = { minute: 60, hour: 3600, day: 86_400 }; // of a point
const VALUES = 144; // that a chart has room for
const FINE = new Set(["1h", "24h"]); // ranges that are drawn from the counts of each minute

/** @param {SeriesBody} series The sentence that says what the chart shows. */
function summaryOf({ points, sum }) {
  const most = points.reduce((best, each) => ((each.down ?? 0) > (best?.down ?? 0) ? each : best), points[0]);
  if (!most || sum.down + sum.up === 0) return say("statistics.nothing");
  return say("statistics.summary", {
    down: bytes(sum.down, locale.value),
    up: bytes(sum.up, locale.value),
    time: moment(most.time, now.peek(), locale.value), // of the last answer: it is not worded anew each second
  });
}

/** @param {SeriesBody} series @returns {Drawn} */
function drawnOf({ points, step }) {
  const { times, down, up } = ratesOf(points, SECONDS[step], Math.ceil(points.length / VALUES));
  const lines = [
    { label: say("traffic.down"), colour: "--accent", values: down },
    { label: say("traffic.up"), colour: "--open", values: up },
  ];
  return { times, lines };
}

/** @param {SeriesBody} series */
function save({ points, step }) {
  const rows = points.map(({ time, up, down, covered }) => [new Date(time * 1000).toISOString(), down, up, covered]);
  const text = csv([["time_utc", "bytes_down", "bytes_up", "covered"], ...rows]);
  download(new Blob([text], { type: "text/csv" }), `vpn-gateway-traffic-${step}.csv`);
}

/** @param {{ label: string; range: string; subject?: string }} props `subject` as the API takes it: "device=…", "exit=…". */
export function TrafficChart({ label, range, subject = "" }) {
  const query = [`range=${range}`, FINE.has(range) ? "step=minute" : "", subject].filter(Boolean).join("&");
  const loaded = useLoaded(() => get(`/api/traffic?${query}`), query);
  const [drawn, setDrawn] = useState(/** @type {Drawn | null} */ (null));
  const series = loaded.value;
  useEffect(() => {
    if (series) setDrawn(drawnOf(series));
  }, [series, locale.value]);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && loaded.reload(), REFRESH);
    return () => clearInterval(timer);
  }, [query]);
  if (!series || !drawn) return html`<${Waiting} loaded=${loaded} />`;
  return html`<${Chart}
      label=${label}
      summary=${summaryOf(series)}
      times=${drawn.times}
      lines=${drawn.lines}
      format=${(/** @type {number} */ value) => rate(value, locale.value)}
    />
    <div class="actions"><${Button} icon="download" action=${() => save(series)}>${say("statistics.csv")}<//></div>`;
}
