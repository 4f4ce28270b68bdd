/** What is open now, for whom and until when: each ends by itself, and can be ended at once. */

import { ExceptionRow } from "../../components/exception_row.js";
import { say } from "../../messages/messages.js";
import { exceptions } from "../../store/gateway.js";
import { html } from "../../ui.js";

export function OpenExceptions() {
  if (!exceptions.value.length) return null;
  return html`<section class="card" aria-labelledby="open-exceptions">
    <h2 id="open-exceptions">${say("exception.title")}</h2>
    <ul class="rows">${exceptions.value.map((each) => html`<${ExceptionRow} key=${each.id} exception=${each} />`)}</ul>
  </section>`;
}
