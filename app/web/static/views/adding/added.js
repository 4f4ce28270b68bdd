/** The servers that were added just now, what was left out of them, and the offer that one key opens a whole list. */

import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { takeKey } from "../../store/file_keys.js";
import { html, useSignal } from "../../ui.js";

/** @import { ListOffer } from "../../../types/api.d.ts" */
/** @import { Finding } from "./candidates.js" */

/** @param {{ added: Finding[]; changed: () => Promise<unknown>; children?: unknown }} props */
export const Added = ({ added, changed, children }) =>
  html`<section class="card" aria-label=${say("adding.done")}>
    <h2>${say("adding.done")}</h2>
    <ul class="rows">
      ${added.map(
        ({ name, file, warnings, opens }) =>
          html`<li class="row" key=${`${name} ${file}`}>
            <div class="grow">
              <p class="row-title">${name}</p>
              <ul class="findings">${warnings.map((warning) => html`<li class="finding" key=${warning}><${Icon} icon="triangle-alert" />${warning}</li>`)}</ul>
              ${opens && html`<${Offer} offer=${opens} changed=${changed} />`}
            </div>
          </li>`,
      )}
    </ul>
    ${children}
  </section>`;

/** @param {{ offer: ListOffer; changed: () => Promise<unknown> }} props */
function Offer({ offer, changed }) {
  const taken = useSignal(false);
  const { title, servers, listed } = offer;
  async function take() {
    await takeKey(offer);
    taken.value = true;
    await changed();
  }
  if (taken.value) return null;
  return html`<p>
      ${say(listed ? "adding.file_of" : "adding.looks_like", { provider: title })}
      ${servers ? say("adding.opens", { provider: title, count: servers }) : say("adding.opens_all", { provider: title })}
    </p>
    <p><${Button} action=${take}>${say("adding.use_for_all", { provider: title })}<//></p>`;
}
