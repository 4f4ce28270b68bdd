/** What holds for all devices: new ones, the policy of those without one of their own, what they may decide. */

import { Choice } from "../../components/choice.js";
import { policyOf } from "../../lib/policy.js";
import { say } from "../../messages/messages.js";
import { exits, preferences } from "../../store/gateway.js";
import { exitName } from "../../store/names.js";
import { changeSettings } from "../../store/settings.js";
import { html } from "../../ui.js";
import { SelfServiceCard } from "./self_service.js";

/** @import { Preferences } from "../../../types/api.d.ts" */

/** @type {() => [string, string][]} every policy by its words */
export const policies = () => [
  ...exits.value.map(({ name }) => /** @type {[string, string]} */ ([policyOf(name), exitName(name)])),
  ["blocked", say("policy.blocked")],
  ["direct", say("policy.direct")],
];

export function DevicesSection() {
  const settings = preferences.value;
  if (!settings) return html`<p class="hint">${say("state.loading")}</p>`;
  return html`<section class="card settings-list">
      <h2>${say("network.everybody")}</h2>
      <${Choice}
        label=${say("network.new_devices")}
        hint=${say("network.new_devices_what")}
        value=${settings.new_device_policy}
        options=${[["default", say("network.new_at_once")], ["wait", say("network.new_wait")]]}
        save=${(/** @type {Preferences["new_device_policy"]} */ value) => changeSettings({ new_device_policy: value })}
      />
      <${Choice}
        label=${say("network.default_policy")}
        hint=${say("network.default_policy_what")}
        value=${settings.default_policy}
        options=${policies()}
        save=${(/** @type {string} */ value) => changeSettings({ default_policy: value })}
      />
    </section>
    <${SelfServiceCard} />`;
}
