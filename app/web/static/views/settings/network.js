/** The gateway's network: its port to the Internet, its names, answers that may be private, MTU, time zone. */

import { Button } from "../../components/button.js";
import { LiveField } from "../../components/live_field.js";
import { TextList } from "../../components/text_list.js";
import { say } from "../../messages/messages.js";
import { preferences } from "../../store/gateway.js";
import { changeSettings } from "../../store/settings.js";
import { html } from "../../ui.js";
import { MtuCard } from "./mtu.js";
import { WanCard } from "./wan.js";

/** @import { ListChange } from "../../components/text_list.js" */

export function NetworkSection() {
  const settings = preferences.value;
  if (!settings) return html`<p class="hint">${say("state.loading")}</p>`;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const saveZone = (/** @type {string} */ zone) => changeSettings({ time_zone: zone });
  return html`<${WanCard} />
    <section class="card settings-list">
      <h2>${say("network.zone")}</h2>
      <${LiveField}
        label=${say("network.zone_name")}
        hint=${say("network.zone_what")}
        value=${settings.time_zone}
        suggestions=${Intl.supportedValuesOf("timeZone")}
        save=${saveZone}
      />
      ${here !== settings.time_zone && html`<p><${Button} action=${() => saveZone(here)}>${say("network.zone_here", { zone: here })}<//></p>`}
    </section>
    <section class="card">
      <h2>${say("network.hosts")}</h2>
      <${TextList}
        label=${say("network.host")}
        hint=${say("network.hosts_what")}
        values=${settings.host_names}
        placeholder="gateway.home.example"
        save=${(/** @type {ListChange} */ change) => changeSettings(({ host_names }) => ({ host_names: change(host_names) }))}
      />
    </section>
    <section class="card">
      <h2>${say("network.rebind")}</h2>
      <${TextList}
        label=${say("network.domain")}
        hint=${say("network.rebind_what")}
        values=${settings.rebind_exceptions}
        placeholder="plex.direct"
        save=${(/** @type {ListChange} */ change) => changeSettings(({ rebind_exceptions }) => ({ rebind_exceptions: change(rebind_exceptions) }))}
      />
    </section>
    <${MtuCard} mtu=${settings.mtu} />`;
}
