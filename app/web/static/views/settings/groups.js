/** Groups of devices: a policy and a schedule for all in it. */

import { call, get } from "../../api/client.js";
import { EmptyState } from "../../components/empty_state.js";
import { Form } from "../../components/form.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { say } from "../../messages/messages.js";
import { devices } from "../../store/gateway.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";
import { GroupCard } from "./group_card.js";

export function GroupsSection() {
  const members = JSON.stringify(devices.value?.map((each) => [each.mac, each.group]));
  const loaded = useLoaded(() => get("/api/groups"), members);
  const made = useSignal(0); // a new form each time
  const groups = loaded.value?.groups ?? [];

  async function make(/** @type {Record<string, string>} */ { name = "" }) {
    const wanted = name.trim();
    await call("PUT", `/api/groups/${encodeURIComponent(wanted)}`, {});
    made.value += 1;
    tell(say("group.made", { group: wanted }));
    await loaded.reload();
  }
  return html`<p class="hint">${say("group.what")}</p>
    <${Waiting} loaded=${loaded} />
    ${loaded.value && !groups.length && html`<${EmptyState} icon="users" title=${say("group.none")}>${say("group.none_next")}<//>`}
    ${groups.map((group) => html`<${GroupCard} key=${group.name} group=${group} zone=${loaded.value?.time_zone ?? ""} reload=${loaded.reload} />`)}
    <section class="card">
      <h2>${say("group.make")}</h2>
      <${Form} key=${made.value} fields=${[{ name: "name", label: say("group.name") }]} submit=${say("group.make")} send=${make} />
    </section>`;
}
