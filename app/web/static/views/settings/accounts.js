/** Accounts at providers: which one is used, who is signed in where, and the way in. */

import { get } from "../../api/client.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { say } from "../../messages/messages.js";
import { accountChanges } from "../../store/gateway.js";
import { html } from "../../ui.js";
import { ProviderCard } from "./provider_card.js";

/** @import { ProviderInfo } from "../../../types/api.d.ts" */

/** One after the other: many at once would be more than the gateway answers in a second. */
async function load() {
  const { providers } = await get("/api/providers");
  /** @type {ProviderInfo[]} */
  const found = [];
  for (const name of providers) found.push(await get(`/api/providers/${encodeURIComponent(name)}`));
  return found;
}

/** @param {ProviderInfo} info */
const rank = (info) => (info.current ? 0 : info.account?.signed_in ? 1 : 2);

export function AccountsSection() {
  const loaded = useLoaded(load, accountChanges.value);
  const providers = [...(loaded.value ?? [])].sort((a, b) => rank(a) - rank(b));
  return html`<p class="hint">${say("account.what")}</p>
    <${Waiting} loaded=${loaded} />
    ${providers.map((info) => html`<${ProviderCard} key=${info.name} info=${info} reload=${loaded.reload} />`)}`;
}
