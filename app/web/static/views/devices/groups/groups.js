/** The groups of devices: what holds for all of a group, and at which hours. */

import { EmptyState } from "../../../components/empty_state.js";
import { Form } from "../../../components/form.js";
import { Icon } from "../../../components/icon.js";
import { useTitle } from "../../../components/title.js";
import { say } from "../../../messages/messages.js";
import { devices } from "../../../store/gateway.js";
import { groups, make, refreshGroups } from "../../../store/groups.js";
import { html, useEffect, useSignal } from "../../../ui.js";
import { GroupCard } from "./group_card.js";

/** A form for a new group; it begins anew once one is made. */
function NewGroup() {
  const made = useSignal(0);
  async function send(/** @type {Record<string, string>} */ { name = "" }) {
    await make(name.trim());
    made.value += 1;
  }
  return html`<section class="card" aria-labelledby="new-group">
    <h2 id="new-group">${say("group.new")}</h2>
    <${Form}
      key=${made.value}
      fields=${[{ name: "name", label: say("group.name"), hint: say("group.name_hint") }]}
      submit=${say("group.make")}
      send=${send}
    />
  </section>`;
}

export function Groups() {
  useTitle(say("group.title"));
  useEffect(() => {
    refreshGroups();
  }, [devices.value]);
  const known = groups.value;
  return html`<div class="devices groups">
    <p><a class="back" href="/devices" data-view><${Icon} icon="arrow-left" />${say("device.back")}</a></p>
    <h1 tabindex="-1">${say("group.title")}</h1>
    <p class="hint">${say("group.what")}</p>
    ${known?.groups.map((each) => html`<${GroupCard} key=${each.name} group=${each} timeZone=${known.time_zone} />`)}
    ${known?.groups.length === 0 && html`<${EmptyState} icon="users" title=${say("group.none")}>${say("group.none_next")}<//>`}
    <${NewGroup} />
  </div>`;
}
