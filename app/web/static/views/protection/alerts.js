/** The alerts that nobody has seen yet; where there are none, that. */

import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { alerts } from "../../store/alerts.js";
import { html } from "../../ui.js";
import { Alerts as Unseen } from "../home/alerts.js";

export const Alerts = () =>
  alerts.value.length
    ? html`<${Unseen} />`
    : html`<section class="card" aria-labelledby="alerts">
        <h2 id="alerts">${say("alert.title")}</h2>
        <p class="hint quiet"><${Icon} icon="check" />${say("alert.none")}</p>
      </section>`;
