/** A chart over time: lines on a canvas, the values below the pointer in words, redrawn with its width and the theme. */

import { say } from "../messages/messages.js";
import { locale, theme } from "../store/preferences.js";
import { html, useEffect, useRef, useSignal } from "../ui.js";

/** @import uPlot from "../vendor/uplot.js" */
/** @typedef {{ label: string; colour: string; values: (number | null)[] }} Line `colour` is a custom property. */

const HEIGHT = 200;
const AXIS_WIDTH = 88;
const TWO_DAYS = 2 * 86_400; // seconds

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * @param {{
 *   label: string;
 *   summary?: string;
 *   times: number[];
 *   lines: Line[];
 *   format: (value: number) => string;
 * }} props `label` says in words what the chart is of, `summary` what it shows.
 */
export function Chart({ label, summary, times, lines, format }) {
  const box = /** @type {import("../vendor/preact.js").RefObject<HTMLElement | null>} */ (useRef(null));
  /** @type {import("../vendor/signals.js").Signal<number | null>} */
  const pointed = useSignal(/** @type {number | null} */ (null));
  const dark = useDark();

  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    /** @type {uPlot | null} */
    let plot = null;
    let ended = false;
    import("../vendor/uplot.js").then(({ default: Plot }) => {
      if (ended) return;
      /** @type {uPlot.Axis} */
      const axis = {
        stroke: colour("--muted"),
        grid: { stroke: colour("--line") },
        ticks: { stroke: colour("--line") },
      };
      plot = new Plot(
        {
          width: element.clientWidth,
          height: HEIGHT,
          legend: { show: false },
          cursor: { y: false, drag: { setScale: false } },
          scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.05)] } },
          axes: [
            { ...axis, values: (_, splits) => splits.map((each) => onAxis(each, times)) },
            { ...axis, size: AXIS_WIDTH, values: (_, splits) => splits.map(format) },
          ],
          series: [
            {},
            ...lines.map((line) => ({
              label: line.label,
              stroke: colour(line.colour),
              fill: `color-mix(in srgb, ${colour(line.colour)} 12%, transparent)`,
              width: 2,
            })),
          ],
          hooks: {
            setCursor: [
              ({ cursor }) => {
                pointed.value = cursor.idx ?? null;
              },
            ],
          },
        },
        [times, ...lines.map((line) => line.values)],
        element,
      );
    });
    const resized = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      ended = true;
      resized.disconnect();
      plot?.destroy();
    };
  }, [times, lines, dark, theme.value, locale.value]);

  const at = pointed.value;
  const time = at === null ? undefined : times[at];
  return html`<figure class="chart">
    <div ref=${box} role="img" aria-label=${label}></div>
    <figcaption class="hint">
      ${lines.map((line) => {
        const value = at === null ? undefined : line.values[at];
        return html`<span class="key" data-colour=${line.colour} key=${line.label}>${line.label}${value === undefined ? "" : ` ${value === null ? say("statistics.unknown") : format(value)}`}</span>`;
      })}
      ${time !== undefined && html`<time>${new Date(time * 1000).toLocaleString(locale.value, { dateStyle: "medium", timeStyle: "short" })}</time>`}
      ${summary && html`<span class="summary">${summary}</span>`}
    </figcaption>
  </figure>`;
}

/**
 * A time on the axis: the hour where the whole is two days or less, else the day.
 *
 * @param {number} time
 * @param {number[]} times
 */
function onAxis(time, times) {
  const long = (times.at(-1) ?? 0) - (times[0] ?? 0) > TWO_DAYS;
  const format = new Intl.DateTimeFormat(
    locale.value,
    long ? { day: "numeric", month: "short" } : { hour: "numeric", minute: "2-digit" },
  );
  return format.format(new Date(time * 1000));
}

/** Whether the system is dark just now, for the colours on the canvas. */
function useDark() {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const dark = useSignal(query.matches);
  useEffect(() => {
    const change = () => {
      dark.value = query.matches;
    };
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return dark.value;
}
