/** Where traffic enters the provider's network before it leaves by the server chosen: a second server, or none. */

import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { enterBy } from "../../store/exit_actions.js";
import { infos } from "../../store/servers.js";
import { html, useSignal } from "../../ui.js";
import { ChoiceDialog } from "./choice_dialog.js";

/** @param {{ provider: string }} props */
export function Multihop({ provider }) {
  const asked = useSignal(false);
  const info = infos.value[provider];
  if (!info?.capabilities.multihop || !info.settings) return null;
  const entry = info.settings.multihop_entry ?? null;
  const open = () => {
    asked.value = true;
  };
  const close = () => {
    asked.value = false;
  };
  async function choose(/** @type {string} */ target) {
    await enterBy(provider, target);
    close();
  }
  return html`<section class="card row multihop" aria-labelledby="multihop">
    <span class="emblem small"><${Icon} icon="route" /></span>
    <div class="grow">
      <h2 id="multihop">${entry ? say("multihop.on", { server: entry }) : say("multihop.off")}</h2>
    </div>
    <${Button} action=${open} label=${say("multihop.choose")}>${say("start.choose")}<//>
    ${entry && html`<${Button} action=${() => enterBy(provider, null)}>${say("multihop.end")}<//>`}
    ${
      asked.value &&
      html`<${ChoiceDialog} title=${say("multihop.title")} provider=${provider} hint=${say("multihop.why")} serversOnly=${true} choose=${choose} close=${close} />`
    }
  </section>`;
}
