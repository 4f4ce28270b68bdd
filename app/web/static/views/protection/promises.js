/** What the gateway promises, in plain words: docs/security.md has each with its proof. */

import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

/** In the order of docs/security.md. */
const PROMISES = /** @type {const} */ ([
  "tunnel",
  "locks",
  "boot",
  "order",
  "crash",
  "repair",
  "gateway",
  "names",
  "ipv6",
  "routes",
  "server",
  "senders",
  "page",
  "keys",
  "files",
  "restore",
  "owner",
  "ports",
  "support",
  "programs",
  "proof",
]);

export const Promises = () =>
  html`<section class="card promises" aria-labelledby="promises">
    <h2 id="promises">${say("security.title")}</h2>
    <p class="hint">${say("security.what")}</p>
    <ul class="rows">
      ${PROMISES.map(
        (name) =>
          html`<li key=${name} class="row">
            <details class="grow"><summary>${say(`promise.${name}`)}</summary><p class="hint">${say(`promise_how.${name}`)}</p></details>
          </li>`,
      )}
    </ul>
  </section>`;
