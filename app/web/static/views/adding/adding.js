/** Adding servers: from files, a paste or a picture, each checked before it is saved; or by hand. */

import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { html, useSignal } from "../../ui.js";
import { ByHand } from "./by_hand.js";
import { FromFiles } from "./from_files.js";

export function AddingSection() {
  const byHand = useSignal(false);
  const way = (/** @type {boolean} */ hand, /** @type {string} */ text) =>
    html`<button
      type="button"
      class="button"
      aria-pressed=${byHand.value === hand}
      onClick=${() => {
        byHand.value = hand;
      }}
    >
      ${text}
    </button>`;
  return html`<div class="ways-to-add" role="group" aria-label=${say("adding.way")}>
      ${way(false, say("adding.import"))} ${way(true, say("adding.by_hand"))}
    </div>
    ${
      byHand.value
        ? html`<${ByHand} />`
        : html`<${FromFiles}>
            <p><a class="button primary" href="/servers" data-view><${Icon} icon="arrow-right" />${say("quick.all")}</a></p>
          <//>`
    }
    <p class="hint">${say("adding.provider")} <a href="/settings/accounts" data-view>${say("settings.accounts")}</a></p>`;
}
