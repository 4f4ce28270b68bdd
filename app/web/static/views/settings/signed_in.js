/** An account that is signed in: days left, key, devices, and the ways to renew or leave it. */

import { get, post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { FactList } from "../../components/fact_list.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { day } from "../../lib/time.js";
import { say, sayCode } from "../../messages/messages.js";
import { agreed } from "../../store/confirmation.js";
import { locale } from "../../store/preferences.js";
import { tell } from "../../store/toasts.js";
import { html } from "../../ui.js";
import { ProviderDevices } from "./provider_devices.js";

/** @import { AccountStatus, ProviderInfo } from "../../../types/api.d.ts" */

/** @param {number | null | undefined} time */
const dayOf = (time) => (time ? day(time, locale.value) : null);

/** @param {{ info: ProviderInfo; reload: () => Promise<void> }} props */
export function SignedIn({ info, reload }) {
  const account = /** @type {AccountStatus} */ (info.account);
  const provider = /** @type {const} */ (`/api/providers/${encodeURIComponent(info.name)}`);
  const { title, capabilities, list } = info;

  async function refresh() {
    const { list: found } = await post(`${provider}/refresh`);
    const unread = found.skipped.filter((entry) => entry.bad).length;
    const servers = say(found.changed ? "account.servers" : "account.servers_same", { count: found.servers });
    tell(unread ? `${servers} ${say("account.unread", { count: unread })}` : servers);
    await reload();
  }
  async function rotate() {
    await post(`${provider}/rotate-key`);
    tell(say("account.new_key_done"));
    await reload();
  }
  async function signOut() {
    const what = say(account.from_file ? "account.sign_out_file" : "account.sign_out_what");
    if (!(await agreed(say("account.sign_out_title", { provider: title }), what, say("account.sign_out")))) return;
    const { warnings } = await post(`${provider}/logout`);
    tell(warnings?.length ? warnings.join(" ") : say("account.signed_out_done", { provider: title }));
    await reload();
  }

  const problem = account.problem && (sayCode("error", account.problem) ?? account.problem);
  return html`${problem && html`<p class="banner bad" role="alert">${problem}</p>`}
    <${FactList}
      facts=${[
        [say("account.account"), account.account],
        [say("account.from_file"), account.from_file],
        [say("account.device"), account.device],
        [say("account.paid_until"), dayOf(account.expires)],
        [say("account.key_made"), dayOf(account.key_created)],
        [say("account.key_next"), dayOf(account.key_rotates)],
        [say("account.key_unproven"), account.key_proven === false ? say("account.key_unproven_what") : null],
        [say("account.list"), list && say("account.servers", { count: list.servers })],
        [say("account.list_from"), dayOf(list?.fetched)],
      ]}
    />
    <div class="actions">
      <${Button} icon="refresh-cw" action=${refresh}>${say("account.fetch")}<//>
      ${capabilities.key_rotation && !account.from_file && html`<${Button} icon="key-round" action=${rotate}>${say("account.new_key")}<//>`}
      <${Button} kind="danger" icon="log-out" action=${signOut}>${say("account.sign_out")}<//>
    </div>
    ${capabilities.devices && !account.from_file && html`<${Devices} name=${info.name} most=${account.max_devices} />`}`;
}

/** @param {{ name: string; most: number | null }} props */
function Devices({ name, most }) {
  const loaded = useLoaded(() => get(`/api/providers/${encodeURIComponent(name)}/devices`));
  const devices = loaded.value?.devices ?? [];
  return html`<section>
    <h3>${most ? say("account.devices_of", { count: devices.length, most }) : say("account.devices")}</h3>
    <${Waiting} loaded=${loaded} />
    <${ProviderDevices} provider=${name} devices=${devices} removed=${loaded.reload} />
  </section>`;
}
