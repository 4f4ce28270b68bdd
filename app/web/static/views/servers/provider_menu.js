/** The provider whose servers are shown. */

import { say } from "../../messages/messages.js";
import { providerName } from "../../store/names.js";
import { providers, refreshProviders } from "../../store/servers.js";
import { html, useEffect } from "../../ui.js";

/** @param {{ provider: string; choose: (provider: string) => void }} props */
export function ProviderMenu({ provider, choose }) {
  useEffect(() => {
    refreshProviders();
  }, []);
  const known = providers.value?.providers ?? [];
  const names = known.includes(provider) || !provider ? known : [provider, ...known];
  return html`<select
    class="menu"
    aria-label=${say("servers.provider")}
    value=${provider}
    onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => choose(currentTarget.value)}
  >
    ${names.map((name) => html`<option key=${name} value=${name} selected=${name === provider}>${providerName(name)}</option>`)}
  </select>`;
}
