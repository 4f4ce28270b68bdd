/** The largest packet in a tunnel: found by the gateway, or set for an exit or a provider. */

import { get } from "../../api/client.js";
import { useLoaded } from "../../components/loaded.js";
import { TextSetting } from "../../components/text_setting.js";
import { say } from "../../messages/messages.js";
import { exits, status } from "../../store/gateway.js";
import { exitName } from "../../store/names.js";
import { changeSettings } from "../../store/settings.js";
import { html } from "../../ui.js";

/** @import { MtuSettings } from "../../../types/api.d.ts" */

/**
 * @param {Record<string, number>} values
 * @param {string} name
 * @param {string} value
 */
function changed(values, name, value) {
  const others = Object.fromEntries(Object.entries(values).filter(([each]) => each !== name));
  return value ? { ...others, [name]: Number(value) } : others;
}

/** @param {string} exit */
function inUse(exit) {
  const found = status.value?.exits.find((each) => each.name === exit)?.mtu;
  return found ? say("network.mtu_now", { count: found }) : undefined;
}

/** @param {{ mtu: MtuSettings }} props */
export function MtuCard({ mtu }) {
  const known = useLoaded(() => get("/api/providers"));
  const [ofExits, ofProviders] = [mtu.exits ?? {}, mtu.providers ?? {}];
  return html`<section class="card settings-list">
    <h2>${say("network.mtu")}</h2>
    <p class="hint">${say("network.mtu_what")}</p>
    ${exits.value.map(
      ({ name }) =>
        html`<${TextSetting}
          key=${name}
          label=${say("network.mtu_exit", { exit: exitName(name) })}
          hint=${inUse(name)}
          type="number"
          value=${String(ofExits[name] ?? "")}
          placeholder=${say("network.mtu_found")}
          save=${(/** @type {string} */ value) => changeSettings({ mtu: { providers: ofProviders, exits: changed(ofExits, name, value) } })}
        />`,
    )}
    ${known.value?.providers.map(
      (name) =>
        html`<${TextSetting}
          key=${name}
          label=${say("network.mtu_provider", { provider: name })}
          type="number"
          value=${String(ofProviders[name] ?? "")}
          placeholder=${say("network.mtu_found")}
          save=${(/** @type {string} */ value) => changeSettings({ mtu: { exits: ofExits, providers: changed(ofProviders, name, value) } })}
        />`,
    )}
  </section>`;
}
