/** What surrounds a step of the first run: which of how many it is, what it is for, and the way on. */

import { Icon } from "../../components/icon.js";
import { addressOf, after, STEPS } from "../../lib/first_run.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

/** @import { Step as Name } from "../../lib/first_run.js" */

/** @type {Record<Name, import("../../messages/messages.js").Key>} */
const NAMES = {
  password: "first.password",
  provider: "first.provider",
  server: "first.server",
  proof: "first.proof",
  done: "first.done",
};

const Progress = (/** @type {{ step: Name }} */ { step }) =>
  html`<ol class="steps" aria-label=${say("first.steps")}>
    ${STEPS.map(
      (each, number) =>
        html`<li key=${each} data-passed=${number < STEPS.indexOf(step)}>
          <a href=${addressOf(each)} data-view aria-current=${each === step ? "step" : undefined}>${say(NAMES[each])}</a>
        </li>`,
    )}
  </ol>`;

/** @param {{ step: Name; title: string; what: string; done?: boolean; children?: unknown }} props */
export function Step({ step, title, what, done = false, children }) {
  const next = after(step);
  return html`<div class="first-run">
    <${Progress} step=${step} />
    <section class="card">
      <h1 tabindex="-1">${title}</h1>
      <p>${what}</p>
      ${children}
      ${
        next &&
        html`<p class="actions step-actions">
          <a class=${done ? "button primary" : "button"} href=${addressOf(next)} data-view>
            ${done ? say("first.next") : say("first.skip")}<${Icon} icon="arrow-right" />
          </a>
        </p>`
      }
    </section>
    ${step !== "done" && html`<p class="hint">${say("first.closed")}</p>`}
  </div>`;
}
