/** The second step: an account at a provider, or a file of one. */

import { ApiError, get } from "../../api/client.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { session } from "../../store/session.js";
import { html, useEffect, useId, useState } from "../../ui.js";
import { FromFiles } from "../adding/from_files.js";
import { ProviderSignIn } from "./provider_sign_in.js";
import { Step } from "./step.js";

/** @import { ProviderInfo } from "../../../types/api.d.ts" */

/** The providers that one can sign in to; none where the gateway does not answer. */
async function loadProviders() {
  try {
    const { providers } = await get("/api/providers");
    const all = await Promise.all(providers.map((name) => get(`/api/providers/${encodeURIComponent(name)}`)));
    return all.filter((each) => each.capabilities.sign_in);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return [];
  }
}

/** @param {{ providers: ProviderInfo[]; reload: () => Promise<void> }} props */
function Account({ providers, reload }) {
  const id = useId();
  const [name, choose] = useState("");
  const chosen = providers.find((each) => each.name === name) ?? providers.find((each) => each.current) ?? providers[0];
  if (!chosen) return null;
  return html`<div class="field">
      <label for=${id}>${say("first.provider_label")}</label>
      <select class="menu" id=${id} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => choose(event.currentTarget.value)}>
        ${providers.map((each) => html`<option key=${each.name} value=${each.name} selected=${each === chosen}>${each.title}</option>`)}
      </select>
    </div>
    ${
      session.value?.password_set
        ? html`<${ProviderSignIn} key=${chosen.name} provider=${chosen} done=${reload} />`
        : html`<p class="hint">${say("first.provider_needs_password")}</p>`
    }`;
}

export function ProviderStep() {
  const [providers, setProviders] = useState(/** @type {ProviderInfo[] | null} */ (null));
  const [imported, setImported] = useState(false);
  const reload = async () => setProviders(await loadProviders());
  useEffect(() => void reload(), []);
  const signedIn = providers?.find((each) => each.account?.signed_in);
  return html`<${Step} step="provider" title=${say("first.provider_title")} what=${say("first.provider_what")} done=${Boolean(signedIn) || imported}>
    ${
      signedIn
        ? html`<p class="settled"><${Icon} icon="circle-check" />${say("first.signed_in", { provider: signedIn.title })}</p>`
        : providers && html`<${Account} providers=${providers} reload=${reload} />`
    }
    <${FromFiles} changed=${() => {
      setImported(true);
      return reload();
    }} />
  <//>`;
}
