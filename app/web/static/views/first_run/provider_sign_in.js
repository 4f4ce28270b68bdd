/** The sign-in at one provider, with the fields that it wants. */

import { post } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

/** @import { ProviderInfo } from "../../../types/api.d.ts" */

/** @param {{ provider: ProviderInfo; done: () => Promise<void> }} props */
export function ProviderSignIn({ provider, done }) {
  async function send(/** @type {Record<string, string>} */ values) {
    const given = Object.entries(values).map(([name, value]) => [name, value.trim()]);
    const credentials = Object.fromEntries(given.filter(([, value]) => value));
    await post(`/api/providers/${encodeURIComponent(provider.name)}/login`, { credentials });
    if (!provider.current) await post(`/api/provider/${encodeURIComponent(provider.name)}`);
    await done();
  }
  const fields = provider.credentials.map(({ name, label, secret, help }) => ({
    name,
    label,
    type: secret ? "password" : "text",
    ...(help ? { hint: help } : {}),
  }));
  return html`<p class="hint">${say("first.sign_in_what", { provider: provider.title })}</p>
    <${Form} fields=${fields} submit=${say("first.sign_in", { provider: provider.title })} send=${send} />`;
}
