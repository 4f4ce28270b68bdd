/** Stored settings that cannot be used, which the gateway left out. */

import { sentence } from "../../api/errors.js";
import { say } from "../../messages/messages.js";
import { status } from "../../store/gateway.js";
import { html } from "../../ui.js";

export function Problems() {
  const problems = status.value?.problems ?? [];
  if (!problems.length) return null;
  return html`<section class="card" aria-labelledby="problems">
    <h2 id="problems">${say("home.problems")}</h2>
    <p class="hint">${say("home.problems_what")}</p>
    <ul class="problem-list" lang="en">${problems.map((each) => html`<li key=${each}>${sentence(each)}</li>`)}</ul>
  </section>`;
}
