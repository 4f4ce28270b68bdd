/** The largest packet in the tunnels of a provider: found by the gateway, or set; that of an exit is on its own page. */

import { get } from "../../api/client.js";
import { LiveField } from "../../components/live_field.js";
import { useLoaded } from "../../components/loaded.js";
import { say } from "../../messages/messages.js";
import { providerName } from "../../store/names.js";
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

/** @param {{ mtu: MtuSettings }} props */
export function MtuCard({ mtu }) {
  const known = useLoaded(() => get("/api/providers"));
  const save = (/** @type {string} */ name, /** @type {string} */ value) =>
    changeSettings((present) => ({
      mtu: { ...present.mtu, providers: changed(present.mtu.providers ?? {}, name, value) },
    }));
  return html`<section class="card settings-list">
    <h2>${say("network.mtu")}</h2>
    <p class="hint">${say("network.mtu_what")}</p>
    ${known.value?.providers.map(
      (name) =>
        html`<${LiveField}
          key=${name}
          label=${providerName(name)}
          type="number"
          value=${String(mtu.providers?.[name] ?? "")}
          placeholder=${say("network.mtu_found")}
          save=${(/** @type {string} */ value) => save(name, value)}
        />`,
    )}
  </section>`;
}
