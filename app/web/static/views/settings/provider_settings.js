/** How to connect through one provider: port, second server, blocking, age of the key, post-quantum keys. */

import { Choice } from "../../components/choice.js";
import { LiveField } from "../../components/live_field.js";
import { Toggle } from "../../components/toggle.js";
import { say, sayCode } from "../../messages/messages.js";
import { changeProvider } from "../../store/provider_settings.js";
import { tell } from "../../store/toasts.js";
import { html } from "../../ui.js";

/** @import { ProviderInfo, ProviderSettings } from "../../../types/api.d.ts" */

/** @param {{ info: ProviderInfo; settings: ProviderSettings; reload: () => Promise<void> }} props */
export function ProviderSettingsCard({ info: { name, capabilities }, settings, reload }) {
  async function send(/** @type {(present: ProviderSettings) => ProviderSettings} */ wanted) {
    const before = await changeProvider(name, wanted);
    await reload();
    return before;
  }
  async function change(/** @type {(present: ProviderSettings) => ProviderSettings} */ wanted) {
    const before = await send(wanted);
    const back = Object.fromEntries(
      Object.keys(wanted(before)).map((key) => [key, before[/** @type {keyof ProviderSettings} */ (key)]]),
    );
    tell(say("account.settings_saved"), { undo: () => send(() => back) });
  }
  const save = (/** @type {ProviderSettings} */ wanted) => change(() => wanted);
  const block = (/** @type {string} */ kind, /** @type {boolean} */ on) =>
    change(({ content_blocking: present = [] }) => ({
      content_blocking: [...present.filter((each) => each !== kind), ...(on ? [kind] : [])],
    }));
  const blocked = settings.content_blocking ?? [];
  const parts = [
    capabilities.post_quantum &&
      html`<${Choice}
        label=${say("account.post_quantum")}
        hint=${say("account.post_quantum_what")}
        value=${settings.post_quantum ?? "prefer"}
        options=${[
          ["prefer", say("account.post_quantum_prefer")],
          ["require", say("account.post_quantum_require")],
          ["off", say("account.post_quantum_off")],
        ]}
        save=${(/** @type {NonNullable<ProviderSettings["post_quantum"]>} */ value) => save({ post_quantum: value })}
      />`,
    capabilities.choose_port &&
      html`<${LiveField}
        label=${say("account.port")}
        hint=${say("account.port_what")}
        type="number"
        value=${String(settings.port ?? "")}
        save=${(/** @type {string} */ value) => save({ port: value ? Number(value) : null })}
      />`,
    capabilities.multihop &&
      html`<${LiveField}
        label=${say("account.multihop")}
        hint=${say("account.multihop_what")}
        value=${settings.multihop_entry ?? ""}
        save=${(/** @type {string} */ value) => save({ multihop_entry: value || null })}
      />`,
    capabilities.ipv6_endpoint &&
      html`<${Toggle}
        label=${say("account.dial_six")}
        checked=${settings.ipv6_endpoint ?? false}
        save=${(/** @type {boolean} */ on) => save({ ipv6_endpoint: on })}
      />`,
    capabilities.key_rotation &&
      html`<${LiveField}
        label=${say("account.key_days")}
        hint=${say("account.key_days_what")}
        type="number"
        value=${String(settings.rotate_days ?? "")}
        save=${(/** @type {string} */ value) => save({ rotate_days: Number(value) })}
      />`,
    capabilities.content_blocking.length > 0 &&
      html`<fieldset>
        <legend>${say("account.blocking")}</legend>
        ${capabilities.content_blocking.map(
          (kind) =>
            html`<${Toggle}
              key=${kind}
              label=${sayCode("blocking", kind) ?? kind}
              checked=${blocked.includes(kind)}
              save=${(/** @type {boolean} */ on) => block(kind, on)}
            />`,
        )}
      </fieldset>`,
  ].filter(Boolean);
  if (!parts.length) return null;
  return html`<section class="settings-list">
    <h3>${say("account.settings")}</h3>
    <p class="hint">${say("account.settings_when")}</p>
    ${parts}
  </section>`;
}
