/** What is open now, for whom and until when: each ends by itself, and can be ended at once. */

import { Button } from "../../components/button.js";
import { Countdown } from "../../components/countdown.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { end, extend, openFor } from "../../store/actions.js";
import { exceptions } from "../../store/gateway.js";
import { policyName } from "../../store/names.js";
import { html } from "../../ui.js";

/** @import { ExceptionBody } from "../../../types/api.d.ts" */

const MORE = 15; // minutes

/** @param {{ exception: ExceptionBody }} props */
function Row({ exception }) {
  const who = openFor(exception);
  return html`<li class="row" data-policy=${exception.policy}>
    <span class="emblem small"><${Icon} icon="clock" /></span>
    <div class="grow">
      <p class="row-title">${say("exception.row", { device: who, policy: policyName(exception.policy) })}</p>
      <p class="hint">${exception.reason}</p>
    </div>
    <${Countdown} until=${exception.until} />
    <${Button} action=${() => extend(exception, MORE)} label=${say("exception.extend_label", { device: who, count: MORE })}>
      ${say("exception.extend", { count: MORE })}
    <//>
    <${Button} action=${() => end(exception)} label=${say("exception.end_label", { device: who })}>${say("exception.end")}<//>
  </li>`;
}

export function OpenExceptions() {
  if (!exceptions.value.length) return null;
  return html`<section class="card" aria-labelledby="open-exceptions">
    <h2 id="open-exceptions">${say("exception.title")}</h2>
    <ul class="rows">${exceptions.value.map((each) => html`<${Row} key=${each.id} exception=${each} />`)}</ul>
  </section>`;
}
