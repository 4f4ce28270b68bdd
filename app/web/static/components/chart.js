/** A chart of some lines over time; the sentence below says in words what it shows. */

import { moment } from "../lib/time.js";
import { now } from "../store/clock.js";
import { language } from "../store/preferences.js";
import { html, useEffect, useRef, useSignal } from "../ui.js";

/** @typedef {{ label: string; values: (number | null)[]; colour: string }} Line `colour` is a custom property of CSS. */

const HEIGHT = 180;

/**
 * @param {{ label: string; summary: string; times: number[]; lines: Line[]; show: (value: number) => string }} props
 *   Unix times; `show` is a value as text.
 */
export function Chart({ label, summary, times, lines, show }) {
  const place = /** @type {import("../vendor/preact.js").RefObject<HTMLDivElement | null>} */ (useRef(null));
  const at = useSignal(/** @type {number | null} */ (null)); // the index under the pointer

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    let ended = false;
    let remove = () => {};
    const draw = async () => {
      const { default: Plot } = await import("../vendor/uplot.js"); // later: the first page needs no chart
      if (ended) return;
      remove();
      const style = getComputedStyle(element);
      const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
      const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      const hour = new Intl.DateTimeFormat(language.value, { hour: "numeric", minute: "2-digit" });
      const plot = new Plot(
        {
          width: element.clientWidth,
          height: HEIGHT,
          legend: { show: false },
          cursor: { drag: { x: false, y: false } },
          scales: { y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.1] } },
          axes: [
            {
              ...axis,
              values: (_, splits) => splits.map((each) => hour.format(new Date(each * 1000))),
              space: 70,
              size: 28,
            },
            { ...axis, values: (_, splits) => splits.map(show), size: 86 },
          ],
          series: [
            {},
            ...lines.map((each, number) => ({
              label: each.label,
              stroke: colour(each.colour),
              width: 2,
              ...(number ? {} : { fill: `color-mix(in srgb, ${colour(each.colour)} 14%, transparent)` }),
              points: { show: false },
            })),
          ],
          hooks: { setCursor: [(each) => (at.value = each.cursor.idx ?? null)] },
        },
        [times, ...lines.map((each) => each.values)],
        element,
      );
      const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
      resize.observe(element);
      remove = () => {
        resize.disconnect();
        plot.destroy();
      };
    };
    const theme = matchMedia("(prefers-color-scheme: dark)");
    theme.addEventListener("change", draw);
    draw();
    return () => {
      ended = true;
      theme.removeEventListener("change", draw);
      remove();
    };
  }, [times, language.value]);

  const chosen = at.value;
  const time = chosen === null ? undefined : times[chosen];
  return html`<figure class="chart">
    <div class="chart-legend" aria-hidden="true">
      ${lines.map((each, number) => {
        const value = chosen === null ? null : (each.values[chosen] ?? null);
        return html`<span key=${each.label} data-line=${number}>${each.label}${value !== null && ` ${show(value)}`}</span>`;
      })}
      <span>${time !== undefined && moment(time, now.value, language.value)}</span>
    </div>
    <div class="chart-lines" ref=${place} role="img" aria-label=${label}></div>
    <figcaption class="hint">${summary}</figcaption>
  </figure>`;
}
