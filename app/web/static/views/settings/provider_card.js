/** One provider: whether it is the one in use, its account, and its settings. */

import { post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { tell } from "../../store/toasts.js";
import { html } from "../../ui.js";
import { KeyFiles } from "./key_files.js";
import { ProviderSettingsCard } from "./provider_settings.js";
import { SignInAtProvider } from "./sign_in_at_provider.js";
import { SignedIn } from "./signed_in.js";

/** @import { ProviderInfo } from "../../../types/api.d.ts" */

/** @param {ProviderInfo} info */
function state({ account, capabilities }) {
  if (!capabilities.sign_in && !capabilities.file_key) return say("account.none_needed");
  if (!account?.signed_in) return say("account.signed_out");
  const left = account.days_left;
  if (left === null) return say("account.signed_in");
  return left > 0 ? say("account.days_left", { count: left }) : say("account.expired");
}

/** @param {{ info: ProviderInfo; reload: () => Promise<void> }} props */
export function ProviderCard({ info, reload }) {
  const signedIn = info.account?.signed_in ?? false;
  async function use() {
    await post(`/api/provider/${encodeURIComponent(info.name)}`);
    tell(say("account.now_used", { provider: info.title }));
    await reload();
  }
  return html`<details class="card provider" open=${info.current || signedIn}>
    <summary>
      <span class="grow">
        <span class="row-title">${info.title}</span>
        <span class="hint">${state(info)}</span>
      </span>
      ${info.current && html`<span class="tag"><${Icon} icon="check" />${say("account.used")}</span>`}
      <${Icon} icon="chevron-down" />
    </summary>
    <div class="provider-body">
      ${signedIn && html`<${SignedIn} info=${info} reload=${reload} />`}
      ${!signedIn && info.capabilities.sign_in && html`<${SignInAtProvider} info=${info} reload=${reload} />`}
      ${!signedIn && info.capabilities.file_key && html`<${KeyFiles} info=${info} reload=${reload} />`}
      ${!info.current && html`<p><${Button} action=${use}>${say("account.use", { provider: info.title })}<//></p>`}
      ${info.settings && html`<${ProviderSettingsCard} info=${info} settings=${info.settings} reload=${reload} />`}
    </div>
  </details>`;
}
