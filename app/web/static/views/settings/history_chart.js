/** When each exit was connected: a strip over time, and the same in a sentence. */

import { get } from "../../api/client.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { moment } from "../../lib/time.js";
import { spansOf, sumOf } from "../../lib/timeline.js";
import { say, sayCode } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { status } from "../../store/gateway.js";
import { exitName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { html } from "../../ui.js";

/** @import { Transition } from "../../../types/api.d.ts" */
/** @import { Span } from "../../lib/timeline.js" */

const WIDTH = 1000;
const MOST = 1000; // transitions: as many as the gateway tells at once

/** @param {{ spans: Span[]; label: string }} props */
function Strip({ spans, label }) {
  const [start, end] = [spans[0]?.from ?? 0, spans.at(-1)?.to ?? 1];
  const at = (/** @type {number} */ time) => ((time - start) / (end - start)) * WIDTH;
  return html`<svg class="strip" viewBox=${`0 0 ${WIDTH} 24`} preserveAspectRatio="none" role="img" aria-label=${label}>
    ${spans.map(({ state, from, to }) => html`<rect key=${from} data-state=${state} x=${at(from)} y="0" width=${at(to) - at(from)} height="24" />`)}
  </svg>`;
}

/** @param {{ exit: string; transitions: Transition[]; start: number }} props */
function ExitStrip({ exit, transitions, start }) {
  const present = status.value?.exits.find((each) => each.name === exit)?.state ?? "disconnected";
  const spans = spansOf(
    transitions.filter((each) => each.exit === exit),
    start,
    Math.max(now.value, start + 1),
    present,
  );
  const { share, lost } = sumOf(spans);
  const percent = new Intl.NumberFormat(locale.value, { style: "percent", maximumFractionDigits: 1 }).format(share);
  const sentence = `${say("statistics.connected", { share: percent })} ${say("statistics.lost", { count: lost })}`;
  return html`<div class="history-strip">
    <p><span class="row-title">${exitName(exit)}</span> <span class="hint">${sentence}</span></p>
    <${Strip} spans=${spans} label=${`${exitName(exit)}: ${sentence}`} />
  </div>`;
}

/** @param {{ names: string[]; range: number; version: string }} props `range` in seconds; a new `version` asks anew. */
export function HistoryChart({ names, range, version }) {
  const loaded = useLoaded(async () => {
    const since = Math.floor(now.peek() - range);
    const { history, next } = await get(`/api/history?limit=${MOST}&since=${since}`);
    const oldest = history.at(-1)?.time ?? since;
    return { history, start: next === null ? since : oldest };
  }, `${range} ${version}`);
  const found = loaded.value;
  if (!found) return html`<${Waiting} loaded=${loaded} />`;
  const states = ["connected", "connecting", "blocked", "disconnected"];
  return html`<figure class="history-chart">
    ${names.map((name) => html`<${ExitStrip} key=${name} exit=${name} transitions=${found.history} start=${found.start} />`)}
    <p class="hint ends"><span>${moment(found.start, now.value, locale.value)}</span><span>${say("statistics.now")}</span></p>
    <figcaption class="hint keys" aria-hidden="true">
      ${states.map((each) => html`<span key=${each} class="state-key" data-state=${each}>${sayCode("tunnel", each)}</span>`)}
    </figcaption>
  </figure>`;
}
