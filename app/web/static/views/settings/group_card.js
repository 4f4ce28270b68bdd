/** One group: its policy, its hours, who is in it. */

import { call } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Choice } from "../../components/choice.js";
import { say } from "../../messages/messages.js";
import { unlessCancelled } from "../../store/actions.js";
import { agreed } from "../../store/confirmation.js";
import { nameOf } from "../../store/names.js";
import { confirmed } from "../../store/password.js";
import { tell } from "../../store/toasts.js";
import { html } from "../../ui.js";
import { policies } from "./devices.js";
import { ScheduleEditor } from "./schedule_editor.js";

/** @import { GroupBody, ScheduleBody } from "../../../types/api.d.ts" */

const AS_OTHERS = "";

/** @param {{ group: GroupBody; zone: string; reload: () => Promise<void> }} props */
export function GroupCard({ group, zone, reload }) {
  const { name, policy, schedule, devices } = group;
  const path = /** @type {const} */ (`/api/groups/${encodeURIComponent(name)}`);
  const send = (/** @type {Pick<GroupBody, "policy" | "schedule">} */ wanted) =>
    unlessCancelled(async () => {
      await confirmed((confirmation) => call("PUT", path, { ...wanted, ...confirmation }));
      await reload();
    });
  async function save(/** @type {Partial<Pick<GroupBody, "policy" | "schedule">>} */ change) {
    await send({ policy, schedule, ...change });
    tell(say("group.saved", { group: name }), { undo: () => send({ policy, schedule }) });
  }
  const remove = () =>
    unlessCancelled(async () => {
      const sure = await agreed(
        say("group.remove_title", { group: name }),
        say("group.remove_what"),
        say("action.remove"),
      );
      if (!sure) return;
      await confirmed((confirmation) => call("DELETE", path, confirmation));
      tell(say("group.removed", { group: name }));
      await reload();
    });
  return html`<section class="card settings-list">
    <div class="head"><h2>${name}</h2><${Button} icon="trash-2" label=${say("action.remove_label", { name })} action=${remove} /></div>
    <p class="hint">${devices.length ? devices.map(nameOf).join(", ") : say("group.empty")}</p>
    <${Choice}
      label=${say("group.policy")}
      value=${policy ?? AS_OTHERS}
      options=${[[AS_OTHERS, say("policy.inherit")], ...policies()]}
      save=${(/** @type {string} */ value) => save({ policy: value || null })}
    />
    <${ScheduleEditor} schedule=${schedule} zone=${zone} policies=${policies()} save=${(/** @type {ScheduleBody[]} */ wanted) => save({ schedule: wanted })} />
  </section>`;
}
