/** The packets that were stopped, by reason, each with what it means. */

import { Icon } from "../../components/icon.js";
import { say, sayCode } from "../../messages/messages.js";
import { status } from "../../store/gateway.js";
import { locale } from "../../store/preferences.js";
import { html } from "../../ui.js";

/** @param {{ reason: string; count: number }} props */
const Row = ({ reason, count }) =>
  html`<li class="row">
    <div class="grow">
      <p class="row-title">${sayCode("stopped", reason) ?? say("stopped.other")}</p>
      <p class="hint">${sayCode("stopped_why", reason) ?? say("stopped_why.other")}</p>
    </div>
    <p class="figure">${count.toLocaleString(locale.value)}</p>
  </li>`;

export function Stopped() {
  const drops = Object.entries(status.value?.drops ?? {})
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a);
  return html`<section class="card stopped" aria-labelledby="stopped">
    <h2 id="stopped">${say("stop.title")}</h2>
    <p class="hint">${say("stop.what")}</p>
    ${
      drops.length
        ? html`<ul class="rows">${drops.map(([reason, count]) => html`<${Row} key=${reason} reason=${reason} count=${count} />`)}</ul>`
        : status.value && html`<p class="hint quiet"><${Icon} icon="check" />${say("stop.none")}</p>`
    }
  </section>`;
}
