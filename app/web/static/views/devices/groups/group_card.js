/** One group: its policy, its members, its hours, its name. */

import { ApiError } from "../../../api/client.js";
import { Button } from "../../../components/button.js";
import { LiveField } from "../../../components/live_field.js";
import { PolicyMenu } from "../../../components/policy_menu.js";
import { ScheduleEditor } from "../../../components/schedule_editor.js";
import { say } from "../../../messages/messages.js";
import { agreed } from "../../../store/confirmation.js";
import { groups, remove, rename, setPolicy, setSchedule } from "../../../store/groups.js";
import { nameOf } from "../../../store/names.js";
import { unlessCancelled } from "../../../store/password.js";
import { html } from "../../../ui.js";
import { Members } from "./members.js";

/** @import { ScheduleChange } from "../../../lib/schedule.js" */
/** @import { GroupBody } from "../../../../types/api.d.ts" */

/** @param {GroupBody} group @param {string} name */
async function renameTo(group, name) {
  if (!name) throw new ApiError("", { code: "missing_field" });
  // A group of that name would take this one in, which a new name does not say.
  if (groups.value?.groups.some((each) => each.name === name)) throw new ApiError("", { code: "group_exists" });
  await rename(group, name);
}

/** @param {GroupBody} group */
async function askToRemove(group) {
  const title = say("group.remove_title", { group: group.name });
  const what = say("group.remove_what", { count: group.devices.length });
  if (await agreed(title, what, say("group.remove"))) await unlessCancelled(() => remove(group));
}

/** @param {{ group: GroupBody; timeZone: string }} props */
export function GroupCard({ group, timeZone }) {
  const { name } = group;
  const members = group.devices.map(nameOf).join(", ");
  return html`<section class="card group" aria-label=${name}>
    <div class="row">
      <div class="grow">
        <h2>${name}</h2>
        <p class="hint">${members || say("group.empty")}</p>
      </div>
      <${PolicyMenu}
        label=${say("devices.menu", { device: name })}
        policy=${group.policy ?? "inherit"}
        choose=${(/** @type {string} */ choice) => setPolicy(group, choice)}
      />
    </div>
    <details>
      <summary>${say("group.members")}</summary>
      <${Members} group=${group} />
    </details>
    <details>
      <summary>${group.schedule.length ? say("group.schedule", { count: group.schedule.length }) : say("schedule.title")}</summary>
      <${ScheduleEditor}
        schedule=${group.schedule}
        timeZone=${timeZone}
        who=${name}
        save=${(/** @type {ScheduleChange} */ change) => setSchedule(group, change)}
      />
    </details>
    <details>
      <summary>${say("group.rename")}</summary>
      <div class="form">
        <${LiveField} label=${say("group.name")} value=${name} save=${(/** @type {string} */ wanted) => renameTo(group, wanted)} />
        <div class="actions">
          <${Button} kind="danger" icon="trash-2" label=${say("group.remove_label", { group: name })} action=${() => askToRemove(group)}>${say("group.remove")}<//>
        </div>
      </div>
    </details>
  </section>`;
}
