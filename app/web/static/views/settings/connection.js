/** What the gateway does by itself: another server where one fails, connecting at the start, changes by the clock. */

import { Choice } from "../../components/choice.js";
import { LiveField } from "../../components/live_field.js";
import { TextList } from "../../components/text_list.js";
import { Toggle } from "../../components/toggle.js";
import { say } from "../../messages/messages.js";
import { preferences } from "../../store/gateway.js";
import { changeSettings } from "../../store/settings.js";
import { html } from "../../ui.js";

/** @import { FailoverSettings } from "../../../types/api.d.ts" */
/** @import { ListChange } from "../../components/text_list.js" */

export function ConnectionSection() {
  const settings = preferences.value;
  if (!settings) return html`<p class="hint">${say("state.loading")}</p>`;
  const { failover } = settings;
  const saveFailover = (/** @type {FailoverSettings} */ change) =>
    changeSettings((present) => ({ failover: { ...present.failover, ...change } }));
  return html`<section class="card settings-list">
      <h2>${say("connection.failover")}</h2>
      <${Toggle}
        label=${say("connection.switch")}
        hint=${say("connection.switch_what")}
        checked=${failover.enabled ?? true}
        save=${(/** @type {boolean} */ enabled) => saveFailover({ enabled })}
      />
      <${Choice}
        label=${say("connection.scope")}
        value=${failover.scope ?? "country"}
        disabled=${!failover.enabled}
        options=${[
          ["city", say("connection.city")],
          ["country", say("connection.country")],
          ["anywhere", say("connection.anywhere")],
        ]}
        save=${(/** @type {NonNullable<FailoverSettings["scope"]>} */ scope) => saveFailover({ scope })}
      />
      ${
        failover.scope === "anywhere" &&
        html`<${TextList}
          label=${say("connection.countries")}
          hint=${say("connection.countries_what")}
          values=${failover.countries ?? []}
          save=${(/** @type {ListChange} */ change) =>
            changeSettings(({ failover }) => ({
              failover: { ...failover, countries: change(failover.countries ?? []) },
            }))}
        />`
      }
      <${Toggle}
        label=${say("connection.back")}
        checked=${failover.return_to_first ?? false}
        disabled=${!failover.enabled}
        save=${(/** @type {boolean} */ on) => saveFailover({ return_to_first: on })}
      />
    </section>
    <section class="card settings-list">
      <h2>${say("connection.by_itself")}</h2>
      <${Toggle}
        label=${say("connection.boot")}
        checked=${settings.connect_at_boot}
        save=${(/** @type {boolean} */ on) => changeSettings({ connect_at_boot: on })}
      />
      <${Toggle}
        label=${say("connection.latency")}
        hint=${say("connection.latency_what")}
        checked=${settings.measure_latency}
        save=${(/** @type {boolean} */ on) => changeSettings({ measure_latency: on })}
      />
    </section>
    <p class="hint">${say("connection.of_exit")} <a href="/exits" data-view>${say("place.exits")}</a></p>
    <section class="card settings-list">
      <h2>${say("connection.names")}</h2>
      <${TextList}
        label=${say("connection.dns")}
        hint=${say("connection.dns_what")}
        values=${settings.fallback_dns}
        save=${(/** @type {ListChange} */ change) => changeSettings(({ fallback_dns }) => ({ fallback_dns: change(fallback_dns) }))}
      />
      <${LiveField}
        label=${say("connection.check")}
        hint=${say("connection.check_what")}
        value=${settings.exit_check_url ?? ""}
        placeholder="https://"
        save=${(/** @type {string} */ value) => changeSettings({ exit_check_url: value || null })}
      />
    </section>`;
}
