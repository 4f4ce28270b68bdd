/** The hours at which another policy holds, each as a sentence, and a form for one more; every change is made at once. */

import { ApiError } from "../api/client.js";
import { clock, daysOf, endsNextDay, minutesOf } from "../lib/schedule.js";
import { say } from "../messages/messages.js";
import { policyName } from "../store/names.js";
import { unlessCancelled } from "../store/password.js";
import { locale } from "../store/preferences.js";
import { html, useSignal } from "../ui.js";
import { Button } from "./button.js";
import { Days, daysInWords } from "./days.js";
import { Form } from "./form.js";
import { Icon } from "./icon.js";
import { PolicySelect } from "./policy_select.js";

/** @import { ScheduleBody } from "../../types/api.d.ts" */
/** @import { ScheduleChange } from "../lib/schedule.js" */

/** @param {ScheduleBody} entry */
function sentenceOf(entry) {
  const values = {
    days: daysInWords(entry.days),
    start: clock(entry.start, locale.value),
    end: clock(entry.end, locale.value),
    policy: policyName(entry.policy),
  };
  return endsNextDay(entry) ? say("schedule.entry_overnight", values) : say("schedule.entry", values);
}

/** @param {Record<string, string>} values Of the form. @returns {ScheduleBody} */
function entryOf(values) {
  const days = daysOf(values);
  if (!days.length) throw new ApiError("", { code: "no_days" });
  const [start, end] = [minutesOf(values.start ?? ""), minutesOf(values.end ?? "")];
  if (start === null) throw new ApiError("", { code: "missing_field", field: "start" });
  if (end === null) throw new ApiError("", { code: "missing_field", field: "end" });
  return { days, start, end, policy: values.policy ?? "blocked" };
}

/**
 * @param {{ schedule: ScheduleBody[]; timeZone: string | null; save: (change: ScheduleChange) => Promise<unknown>; who: string }} props
 */
export function ScheduleEditor({ schedule, timeZone, save, who }) {
  const adding = useSignal(false);
  const toggle = () => {
    adding.value = !adding.value;
  };
  const add = (/** @type {Record<string, string>} */ values) =>
    unlessCancelled(async () => {
      const added = entryOf(values);
      await save((present) => [...present, added]);
      adding.value = false;
    });
  const remove = (/** @type {ScheduleBody} */ entry) =>
    unlessCancelled(() => save((present) => present.filter((each) => sentenceOf(each) !== sentenceOf(entry))));
  const fields = [
    { name: "start", label: say("schedule.start"), type: "time", value: "21:00" },
    { name: "end", label: say("schedule.end"), type: "time", value: "07:00" },
  ];
  return html`<div class="schedule">
    ${schedule.length === 0 && html`<p class="hint">${say("schedule.none")}</p>`}
    <ul class="rows">
      ${schedule.map(
        (entry, number) =>
          html`<li class="row" key=${number}>
            <${Icon} icon="calendar-clock" />
            <p class="grow">${sentenceOf(entry)}</p>
            <${Button} icon="trash-2" label=${say("schedule.remove_label", { entry: sentenceOf(entry) })} action=${() => remove(entry)} />
          </li>`,
      )}
    </ul>
    ${timeZone && html`<p class="hint">${say("schedule.zone", { zone: timeZone })}</p>`}
    ${
      adding.value
        ? html`<section class="adding" aria-label=${say("schedule.add_label", { who })}>
            <${Form} fields=${fields} submit=${say("schedule.add")} send=${add}>
              <${Days} />
              <${PolicySelect} name="policy" label=${say("schedule.policy")} value="blocked" />
            <//>
            <${Button} action=${toggle}>${say("action.cancel")}<//>
          </section>`
        : html`<div class="actions">
            <${Button} icon="plus" label=${say("schedule.add_label", { who })} action=${toggle}>${say("schedule.add")}<//>
          </div>`
    }
  </div>`;
}
