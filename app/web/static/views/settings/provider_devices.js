/** The devices of an account at a provider; one that is removed can no longer connect. */

import { call } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { day } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { agreed } from "../../store/confirmation.js";
import { locale } from "../../store/preferences.js";
import { tell } from "../../store/toasts.js";
import { html } from "../../ui.js";

/** @import { ProviderDevice } from "../../../types/api.d.ts" */

/** @param {{ provider: string; devices: ProviderDevice[]; removed: () => Promise<void> }} props */
export function ProviderDevices({ provider, devices, removed }) {
  async function remove(/** @type {ProviderDevice} */ { id, name }) {
    const sure = await agreed(
      say("account.remove_title", { device: name }),
      say("account.remove_what"),
      say("action.remove"),
    );
    if (!sure) return;
    await call("DELETE", `/api/providers/${encodeURIComponent(provider)}/devices/${encodeURIComponent(id)}`);
    tell(say("account.removed", { device: name }));
    await removed();
  }
  return html`<ul class="rows">
    ${devices.map((each) => {
      const about = [
        each.current && say("account.this_gateway"),
        each.created && say("account.since", { day: day(each.created, locale.value) }),
      ].filter(Boolean);
      return html`<li class="row" key=${each.id}>
        <div class="grow"><p class="row-title">${each.name}</p><p class="hint">${about.join(" · ")}</p></div>
        ${!each.current && html`<${Button} icon="trash-2" label=${say("action.remove_label", { name: each.name })} action=${() => remove(each)} />`}
      </li>`;
    })}
  </ul>`;
}
