/** The chooser in a dialog, for a server or place that is kept and not connected at once. */

import { Dialog } from "../../components/dialog.js";
import { html, useSignal } from "../../ui.js";
import { Chooser } from "./chooser.js";
import { ProviderMenu } from "./provider_menu.js";

/**
 * @param {{
 *   title: string;
 *   provider: string;
 *   choose: (target: string, provider: string) => Promise<unknown>;
 *   close: () => void;
 *   hint?: string;
 *   serversOnly?: boolean;
 *   ofProvider?: boolean;
 * }} props With `serversOnly` it is a server of that provider, with `ofProvider` a server or place of it.
 */
export function ChoiceDialog({ title, provider, choose, close, hint, serversOnly = false, ofProvider = false }) {
  const shown = useSignal(provider);
  const search = useSignal("");
  return html`<${Dialog} title=${title} close=${close}>
    <div class="choice-dialog">
      ${hint && html`<p class="hint">${hint}</p>`}
      ${
        !serversOnly &&
        !ofProvider &&
        html`<${ProviderMenu}
          provider=${shown.value}
          choose=${(/** @type {string} */ name) => {
            shown.value = name;
          }}
        />`
      }
      <${Chooser}
        provider=${shown.value}
        used=${null}
        label=${title}
        search=${search}
        choose=${(/** @type {string} */ target) => choose(target, shown.value)}
        serversOnly=${serversOnly}
      />
    </div>
  <//>`;
}
