/** The traffic of a device in the last 24 hours. */

import { ApiError, get } from "../../../api/client.js";
import { Chart } from "../../../components/chart.js";
import { bytes, rate } from "../../../lib/numbers.js";
import { ratesOf } from "../../../lib/series.js";
import { moment } from "../../../lib/time.js";
import { say } from "../../../messages/messages.js";
import { now } from "../../../store/clock.js";
import { locale } from "../../../store/preferences.js";
import { html, useEffect, useState } from "../../../ui.js";

/** @import { SeriesBody } from "../../../../types/api.d.ts" */

const MINUTE = 60; // seconds
const GROUP = 10; // minutes that one value of the chart stands for
const REFRESH = 60_000; // milliseconds: the gateway counts by minutes

/** @param {SeriesBody} series The sentence that says what the chart shows. */
function summaryOf(series) {
  const most = series.points.reduce(
    (best, each) => ((each.down ?? 0) > (best?.down ?? 0) ? each : best),
    series.points[0],
  );
  if (!most || series.sum.down + series.sum.up === 0) return say("device.chart_none");
  return say("device.chart_summary", {
    down: bytes(series.sum.down, locale.value),
    up: bytes(series.sum.up, locale.value),
    time: moment(most.time, now.value, locale.value),
  });
}

/** @param {string} mac @returns {SeriesBody | null} Anew each minute; without an answer the one before stays. */
function useSeries(mac) {
  const [series, setSeries] = useState(/** @type {SeriesBody | null} */ (null));
  useEffect(() => {
    const load = () =>
      get(`/api/traffic?device=${encodeURIComponent(mac)}&range=24h&step=minute`).then(setSeries, (error) => {
        if (!(error instanceof ApiError)) throw error;
      });
    load();
    const timer = setInterval(() => document.visibilityState === "visible" && load(), REFRESH);
    return () => clearInterval(timer);
  }, [mac]);
  return series;
}

/** @param {{ mac: string }} props */
export function DeviceChart({ mac }) {
  const series = useSeries(mac);
  const [rates, setRates] = useState(/** @type {import("../../../lib/series.js").Rates | null} */ (null));
  useEffect(() => setRates(series && ratesOf(series.points, MINUTE, GROUP)), [series]);
  if (!series || !rates) return null;
  return html`<section class="card" aria-labelledby="device-traffic">
    <h2 id="device-traffic">${say("device.chart")}</h2>
    <${Chart}
      label=${say("device.chart")}
      summary=${summaryOf(series)}
      times=${rates.times}
      lines=${[
        { label: say("traffic.down"), values: rates.down, colour: "--accent" },
        { label: say("traffic.up"), values: rates.up, colour: "--open" },
      ]}
      format=${(/** @type {number} */ value) => rate(value, locale.value)}
    />
  </section>`;
}
