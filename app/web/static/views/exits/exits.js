/** Exits: a card each, in their order, each in a sentence; and the detail of one. */

import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { exits } from "../../store/gateway.js";
import { html, useSignal } from "../../ui.js";
import { ExitCard } from "./exit_card.js";
import { ExitDetail } from "./exit_detail.js";
import { MakeExit } from "./make_exit.js";

/** @import { Route } from "../../lib/router.js" */

/** @param {{ route: Route }} props */
export function Exits({ route: { part } }) {
  const making = useSignal(false);
  if (part !== null) return html`<${ExitDetail} key=${part} name=${part} />`;
  const show = (/** @type {boolean} */ shown) => {
    making.value = shown;
  };
  return html`<div class="exits">
    <div class="heading">
      <h1 tabindex="-1">${say("place.exits")}</h1>
      <${Button} icon="plus" action=${() => show(true)}>${say("exits.make")}<//>
    </div>
    <p class="hint">${say("exits.what")}</p>
    <ul class="cards">${exits.value.map((each) => html`<${ExitCard} key=${each.name} exit=${each} />`)}</ul>
    ${making.value && html`<${MakeExit} close=${() => show(false)} />`}
  </div>`;
}
