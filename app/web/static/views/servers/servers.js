/** Servers: where an exit leaves, chosen by one press. */

import { say } from "../../messages/messages.js";
import { leaveBy } from "../../store/exit_actions.js";
import { exits, status } from "../../store/gateway.js";
import { go } from "../../store/location.js";
import { exitName } from "../../store/names.js";
import { refreshInfo } from "../../store/servers.js";
import { exitStatus } from "../../store/tone.js";
import { html, useEffect, useSignal } from "../../ui.js";
import { Chooser } from "./chooser.js";
import { Multihop } from "./multihop.js";
import { ProviderMenu } from "./provider_menu.js";

/** @import { Route } from "../../lib/router.js" */
/** @import { ExitBody } from "../../../types/api.d.ts" */

/** @param {{ chosen: string }} props */
const ExitMenu = ({ chosen }) =>
  html`<select
    class="menu"
    aria-label=${say("servers.exit")}
    onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => go(`/servers/${currentTarget.value}`)}
  >
    ${exits.value.map(({ name }) => html`<option key=${name} value=${name} selected=${name === chosen}>${exitName(name)}</option>`)}
  </select>`;

/** @param {ExitBody | undefined} exit The provider of its tunnel, else of its settings, else the gateway's. */
const ownProvider = (exit) =>
  (exit && exitStatus(exit.name)?.provider) ?? exit?.provider ?? status.value?.current_provider ?? null;

/** @param {{ route: Route }} props */
export function Servers({ route: { part } }) {
  const exit = exits.value.find((each) => each.name === (part ?? "default"));
  const name = exit?.name ?? "default";
  const picked = useSignal(/** @type {string | null} */ (null));
  const search = useSignal("");
  const provider = picked.value ?? ownProvider(exit);
  useEffect(() => {
    if (provider) refreshInfo(provider);
  }, [provider]);
  const now = exitStatus(name);
  const used = now?.provider === provider && now?.state === "connected" ? now.server : null;
  return html`<div class="servers">
    <h1 tabindex="-1">${say("place.servers")}</h1>
    <div class="choice-of">
      ${exits.value.length > 1 && html`<${ExitMenu} chosen=${name} />`}
      ${
        provider &&
        html`<${ProviderMenu}
          provider=${provider}
          choose=${(/** @type {string} */ chosen) => {
            picked.value = chosen;
          }}
        />`
      }
    </div>
    ${provider && html`<${Multihop} provider=${provider} />`}
    ${
      provider
        ? html`<${Chooser}
            provider=${provider}
            used=${used}
            label=${say("servers.list", { exit: exitName(name) })}
            search=${search}
            mapped=${true}
            choose=${(/** @type {string} */ target) => leaveBy(name, provider, target)}
          />`
        : html`<p class="hint" role="status">${say("servers.loading")}</p>`
    }
  </div>`;
}
