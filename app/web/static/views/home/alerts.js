/** Security alerts, which stay until they are seen. */

import { sentence } from "../../api/errors.js";
import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { ago } from "../../lib/time.js";
import { say, sayCode } from "../../messages/messages.js";
import { alerts, see } from "../../store/alerts.js";
import { now } from "../../store/clock.js";
import { locale } from "../../store/preferences.js";
import { html } from "../../ui.js";

/** @import { Alert } from "../../store/alerts.js" */

/** @param {{ alert: Alert }} props */
function Row({ alert }) {
  const title = sayCode("alarm", alert.reason);
  const told = html`<span lang="en">${sentence(alert.message)}</span>`;
  return html`<li class="row">
    <span class="emblem small"><${Icon} icon="triangle-alert" /></span>
    <div class="grow">
      <p class="row-title">${title ?? told}</p>
      ${title && html`<p class="hint">${told}</p>`}
      <p class="hint">${sayCode("alarm_next", alert.reason)}</p>
      <p class="hint">${ago(alert.time, now.value, locale.value)}</p>
    </div>
    <${Button} action=${() => see(alert)} icon="check">${say("action.seen")}<//>
  </li>`;
}

export function Alerts() {
  if (!alerts.value.length) return null;
  return html`<section class="card alerts" aria-labelledby="alerts">
    <h2 id="alerts">${say("alert.title")}</h2>
    <ul class="rows">${alerts.value.map((each) => html`<${Row} key=${`${each.seq} ${each.time}`} alert=${each} />`)}</ul>
  </section>`;
}
