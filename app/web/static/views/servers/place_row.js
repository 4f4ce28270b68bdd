/** A country or a city: one press takes its fastest server, another one shows them all. */

import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

/** @import { Item } from "../../lib/servers.js" */

/**
 * @param {{
 *   item: Item & { kind: "place" };
 *   choose: ((target: string) => Promise<unknown>) | null;
 *   toggle: (() => void) | null;
 * }} props Where it cannot be chosen, a press opens it. Without `toggle` it is open, and stays so.
 */
export function PlaceRow({ item: { name, count, target, open, deep }, choose, toggle }) {
  const chosen = choose && target !== null ? () => choose(target) : toggle;
  const words = html`<span class="pick-name">${name}</span>
    <span class="pick-details">${say("servers.count", { count })}</span>`;
  return html`<div class=${deep ? "choice place-row deep" : "choice place-row"}>
    ${chosen ? html`<${Button} kind="pick" action=${chosen}>${words}<//>` : html`<div class="pick">${words}</div>`}
    ${
      toggle &&
      html`<${Button} icon="chevron-down" expanded=${open} label=${say("servers.show", { place: name })} action=${toggle} />`
    }
  </div>`;
}
