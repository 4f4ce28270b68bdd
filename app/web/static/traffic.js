/** Traffic: present rates, the last hour by minutes, and the sum of each device over a day. */

import { get } from "./api.js";
import { $, h, setText } from "./dom.js";
import { bytes } from "./format.js";

const REFRESH_INTERVAL = 60000; // milliseconds; the resolution of the chart
const RATE_TIMEOUT = 15000; // rates come every 5 s
const WIDTH = 600;
const HEIGHT = 96;
const MAX_DEVICES = 6;

/** @import { DeviceTraffic, Point } from "../types/api.d.ts" */
/** @import { TrafficRates } from "../types/events.d.ts" */
/** @typedef {Pick<TrafficRates, "total" | "devices">} Rates */

/** @type {Rates} bytes a second */
let rates = { total: { up: 0, down: 0 }, devices: {} };
/** @type {DeviceTraffic[]} */
let devices = [];
let rateTimer = 0;

export function setUp() {
  setInterval(() => {
    if (document.visibilityState === "visible") load();
  }, REFRESH_INTERVAL);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") load();
  });
}

/** Load everything again. After an error the old values stay: the status shows that the gateway is unreachable. */
export async function load() {
  try {
    const [hour, today] = await Promise.all([
      get("/api/traffic?range=1h&step=minute"),
      get("/api/traffic/devices?range=24h"),
    ]);
    draw(hour.points);
    devices = today.devices;
    list();
  } catch {
    // the next minute tries again
  }
}

/** @param {Rates} current the payload of a `traffic` event */
export function showRates(current) {
  rates = current;
  clearTimeout(rateTimer);
  rateTimer = setTimeout(() => showRates({ total: { up: 0, down: 0 }, devices: {} }), RATE_TIMEOUT);
  setText($("rate-down"), perSecond(rates.total.down));
  setText($("rate-up"), perSecond(rates.total.up));
  list();
}

/** @param {number} count */
const perSecond = (count) => `${bytes(count)}/s`;

/** @param {Point[]} points */
function draw(points) {
  const max = Math.max(1, ...points.map((p) => Math.max(p.up ?? 0, p.down ?? 0)));
  const step = WIDTH / points.length;
  const y = (/** @type {number | null | undefined} */ value) => (HEIGHT - (HEIGHT * (value ?? 0)) / max).toFixed(1);
  const line = (/** @type {"up" | "down"} */ key) =>
    points.map((p, n) => `H${(n * step).toFixed(1)}V${y(p[key])}H${((n + 1) * step).toFixed(1)}`).join("");
  $("chart-down", SVGElement).setAttribute("d", `M0 ${HEIGHT}${line("down")}V${HEIGHT}Z`);
  $("chart-up", SVGElement).setAttribute("d", `M0 ${y(points[0]?.up)}${line("up")}`);
  const sum = (/** @type {"up" | "down"} */ key) => bytes(points.reduce((total, p) => total + (p[key] ?? 0), 0));
  setText($("chart-text"), `Last hour: ${sum("down")} received, ${sum("up")} sent; at most ${bytes(max)} a minute`);
}

function list() {
  const shown = devices.slice(0, MAX_DEVICES).map((device) => {
    const now = rates.devices[device.mac];
    const name = device.name ?? device.hostname ?? device.mac;
    return h(
      "li",
      { class: "mover" },
      h("span", { class: "name", title: device.mac }, device.mac === "other" ? "Other devices" : name),
      h("span", { class: "now" }, now && now.up + now.down ? perSecond(now.up + now.down) : ""),
      h("span", { class: "sum" }, `${bytes(device.down)} / ${bytes(device.up)}`),
    );
  });
  $("movers").replaceChildren(...shown);
  $("movers-empty").hidden = shown.length > 0;
}
