/** The history of the exits, the newest first, and a file of all of it. */

import { get } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Choice } from "../../components/choice.js";
import { EmptyState } from "../../components/empty_state.js";
import { Icon } from "../../components/icon.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { RangeChoice } from "../../components/range_choice.js";
import { say } from "../../messages/messages.js";
import { exits, status } from "../../store/gateway.js";
import { exitName } from "../../store/names.js";
import { html, useEffect, useSignal } from "../../ui.js";
import { HistoryChart } from "./history_chart.js";
import { HistoryRow } from "./history_row.js";

/** @import { Transition } from "../../../types/api.d.ts" */

const PAGE = 50;
const ALL = "";
const DAY = 86_400; // seconds
/** @type {Record<string, number>} */
const RANGES = { "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY };

export function HistorySection() {
  const exit = useSignal(ALL);
  const range = useSignal("7d");
  const chooseRange = (/** @type {string} */ chosen) => {
    range.value = chosen;
  };
  /** @type {import("../../vendor/signals.js").Signal<{ rows: Transition[]; next: number | null }>} */
  const older = useSignal(/** @type {{ rows: Transition[]; next: number | null }} */ ({ rows: [], next: null }));
  const which = exit.value ? `&exit=${encodeURIComponent(exit.value)}` : "";
  const states = JSON.stringify(status.value?.exits.map((each) => [each.name, each.state, each.since, each.server]));
  const loaded = useLoaded(() => get(`/api/history?limit=${PAGE}${which}`), `${which} ${states}`);
  useEffect(() => {
    older.value = { rows: [], next: loaded.value?.next ?? null };
  }, [loaded.value]);

  async function more() {
    const page = await get(`/api/history?limit=${PAGE}&before=${older.value.next}${which}`);
    older.value = { rows: [...older.value.rows, ...page.history], next: page.next };
  }

  const rows = [...(loaded.value?.history ?? []), ...older.value.rows];
  const names = exit.value ? [exit.value] : exits.value.map(({ name }) => name);
  return html`<section class="card">
    <div class="entry">
      <${RangeChoice} value=${range.value} choose=${chooseRange} among=${Object.keys(RANGES)} />
      <${Choice}
        label=${say("statistics.of")}
        value=${exit.value}
        options=${[[ALL, say("statistics.all")], ...exits.value.map(({ name }) => [name, exitName(name)])]}
        save=${(/** @type {string} */ chosen) => {
          exit.value = chosen;
        }}
      />
    </div>
    <${HistoryChart} names=${names} range=${RANGES[range.value] ?? DAY} version=${states} />
  </section>
  <section class="card">
    <h2>${say("statistics.changes")}</h2>
    <${Waiting} loaded=${loaded} />
    ${loaded.value && !rows.length && html`<${EmptyState} icon="history" title=${say("statistics.no_history")}>${say("statistics.no_history_next")}<//>`}
    <ul class="rows">${rows.map((each) => html`<${HistoryRow} key=${each.id} record=${each} />`)}</ul>
    <div class="actions">
      ${older.value.next !== null && html`<${Button} action=${more}>${say("statistics.more")}<//>`}
      <a class="button" href=${`/api/history.csv${exit.value ? `?exit=${encodeURIComponent(exit.value)}` : ""}`} download><${Icon} icon="download" />${say("statistics.csv")}</a>
    </div>
  </section>`;
}
