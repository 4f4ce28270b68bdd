/** The bytes of each device or exit, the largest first. */

import { EmptyState } from "../../components/empty_state.js";
import { Waiting } from "../../components/loaded.js";
import { bytes } from "../../lib/numbers.js";
import { say } from "../../messages/messages.js";
import { locale } from "../../store/preferences.js";
import { html } from "../../ui.js";

/** @import { Loaded } from "../../components/loaded.js" */

/**
 * @param {{ title: string; loaded: Loaded<unknown>; rows: { name: string; up: number; down: number }[] | undefined }} props
 */
export function Sums({ title, loaded, rows = [] }) {
  const amount = (/** @type {number} */ value) => bytes(value, locale.value);
  const sorted = [...rows].sort((a, b) => b.up + b.down - a.up - a.down);
  return html`<section class="card">
    <h2>${title}</h2>
    <${Waiting} loaded=${loaded} />
    ${loaded.value !== null && !rows.length && html`<${EmptyState} icon="chart-line" title=${say("statistics.none")}>${say("statistics.none_next")}<//>`}
    ${
      rows.length > 0 &&
      html`<div class="scroll" tabindex="0" role="region" aria-label=${title}>
        <table>
          <thead><tr><th scope="col">${say("statistics.name")}</th><th scope="col">${say("traffic.down")}</th><th scope="col">${say("traffic.up")}</th></tr></thead>
          <tbody>
            ${sorted.map((each) => html`<tr key=${each.name}><th scope="row">${each.name}</th><td>${amount(each.down)}</td><td>${amount(each.up)}</td></tr>`)}
          </tbody>
        </table>
      </div>`
    }
  </section>`;
}
