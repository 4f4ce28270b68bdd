/** The imported files whose key works with all servers of a provider, or how to come to one. */

import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { takeKey } from "../../store/file_keys.js";
import { html } from "../../ui.js";

/** @import { ProviderInfo } from "../../../types/api.d.ts" */

/** @param {{ info: ProviderInfo; reload: () => Promise<void> }} props */
export function KeyFiles({ info: { name, title, key_files: files }, reload }) {
  async function use(/** @type {string} */ server) {
    await takeKey({ provider: name, title, server });
    await reload();
  }
  return html`<section>
    <h3>${say("account.without")}</h3>
    <p class="hint">${say(files.length ? "account.file_key" : "account.file_needed", { provider: title })}</p>
    <div class="actions">
      ${files.map((server) => html`<${Button} key=${server} action=${() => use(server)}>${say("account.use_file", { server })}<//>`)}
      ${!files.length && html`<a class="button" href="/settings/adding" data-view>${say("settings.adding")}</a>`}
    </div>
  </section>`;
}
