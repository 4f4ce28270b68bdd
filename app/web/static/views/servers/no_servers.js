/** What an empty list means: nobody is signed in at the provider, or nothing was added yet. */

import { EmptyState } from "../../components/empty_state.js";
import { say } from "../../messages/messages.js";
import { providerName } from "../../store/names.js";
import { infos } from "../../store/servers.js";
import { html } from "../../ui.js";

/** @param {{ provider: string }} props */
export function NoServers({ provider }) {
  const info = infos.value[provider];
  const signedOut = info?.capabilities.sign_in && !info.account?.signed_in;
  const title = signedOut ? say("servers.sign_in", { provider: providerName(provider) }) : say("servers.none");
  return html`<${EmptyState} icon="globe" title=${title}>
    ${say(signedOut ? "servers.sign_in_next" : "servers.none_next")}
  <//>
  <p class="centred"><a class="button primary" href="/settings" data-view>${say(signedOut ? "servers.to_accounts" : "servers.to_adding")}</a></p>`;
}
