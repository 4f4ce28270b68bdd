/** The sign-in at a provider, with what each step does; where the account is full, its devices to choose from. */

import { ApiError, get, post } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { say } from "../../messages/messages.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";
import { ProviderDevices } from "./provider_devices.js";

/** @import { CredentialField, ProviderDevice, ProviderInfo } from "../../../types/api.d.ts" */

/** @param {CredentialField} each */
const field = ({ name, label, secret, optional, help }) => ({
  name,
  label,
  type: secret ? "password" : "text",
  hint: help,
  optional,
});

/** @param {Record<string, string>} values */
const filled = (values) =>
  Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value.trim() ? [[name, value.trim()]] : [])));

/** @param {{ info: ProviderInfo; reload: () => Promise<void> }} props */
export function SignInAtProvider({ info, reload }) {
  /** @type {import("../../vendor/signals.js").Signal<ProviderDevice[] | null>} */
  const removable = useSignal(/** @type {ProviderDevice[] | null} */ (null));
  const provider = /** @type {const} */ (`/api/providers/${encodeURIComponent(info.name)}`);

  async function signIn(/** @type {Record<string, string>} */ values) {
    try {
      await post(`${provider}/login`, { credentials: filled(values) });
    } catch (error) {
      const full = error instanceof ApiError && error.code === "too_many_devices";
      if (full && info.capabilities.devices) removable.value = (await get(`${provider}/devices`)).devices;
      throw error;
    }
    tell(say("account.done", { provider: info.title }));
    await reload();
  }

  async function removed() {
    removable.value = null;
    tell(say("account.try_again"));
  }

  return html`<section aria-label=${say("account.sign_in", { provider: info.title })}>
    <h2>${say("account.sign_in", { provider: info.title })}</h2>
    <ol class="sign-in-steps">
      <li>${say("account.step_send", { provider: info.title })}</li>
      <li>${say("account.step_key", { provider: info.title })}</li>
      <li>${say("account.step_list")}</li>
    </ol>
    <${Form}
      fields=${info.credentials.map(field)}
      submit=${say("account.sign_in", { provider: info.title })}
      send=${signIn}
    />
    ${
      removable.value &&
      html`<div class="room">
        <h3>${say("account.full")}</h3>
        <${ProviderDevices} provider=${info.name} devices=${removable.value} removed=${removed} />
      </div>`
    }
  </section>`;
}
