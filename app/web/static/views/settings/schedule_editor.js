/** A schedule: its entries in words, and the way to add one. */

import { Button } from "../../components/button.js";
import { Days } from "../../components/days.js";
import { clockText, dayNames, minutesOf } from "../../lib/schedule.js";
import { say } from "../../messages/messages.js";
import { policyName } from "../../store/names.js";
import { language } from "../../store/preferences.js";
import { html, useId, useSignal } from "../../ui.js";

/** @import { ScheduleBody } from "../../../types/api.d.ts" */

/** @param {ScheduleBody} entry */
const describe = ({ days, start, end, policy }) =>
  say("schedule.entry", {
    days: dayNames(days, language.value) || say("schedule.every_day"),
    start: clockText(start),
    end: clockText(end),
    policy: policyName(policy),
  });

/**
 * @param {{
 *   schedule: ScheduleBody[];
 *   zone: string;
 *   policies: [value: string, text: string][];
 *   save: (schedule: ScheduleBody[]) => Promise<unknown>;
 * }} props
 */
export function ScheduleEditor({ schedule, zone, policies, save }) {
  const id = useId();
  const entry = useSignal({ days: [0, 1, 2, 3, 4, 5, 6], start: "21:00", end: "07:00", policy: "blocked" });
  const set = (/** @type {Partial<typeof entry.value>} */ change) => {
    entry.value = { ...entry.value, ...change };
  };
  const field = (/** @type {"start" | "end"} */ name, /** @type {string} */ label) =>
    html`<div class="setting">
      <label for=${`${id}-${name}`}>${label}</label>
      <input
        id=${`${id}-${name}`}
        type="time"
        required
        value=${entry.value[name]}
        onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) => set({ [name]: currentTarget.value })}
      />
    </div>`;
  function add() {
    const { days, start, end, policy } = entry.value;
    return save([...schedule, { days, start: minutesOf(start), end: minutesOf(end), policy }]);
  }
  return html`<section>
    <h3>${say("schedule.title")}</h3>
    <p class="hint">${say("schedule.what", { zone })}</p>
    ${
      schedule.length > 0 &&
      html`<ul class="rows">
        ${schedule.map(
          (each) =>
            html`<li class="row" key=${describe(each)}>
              <p class="grow row-title">${describe(each)}</p>
              <${Button} icon="trash-2" label=${say("action.remove_label", { name: describe(each) })} action=${() => save(schedule.filter((other) => other !== each))} />
            </li>`,
        )}
      </ul>`
    }
    <details class="more">
      <summary>${say("schedule.new")}</summary>
      <div class="entry">
        ${field("start", say("schedule.from"))} ${field("end", say("schedule.to"))}
        <div class="setting">
          <label for=${`${id}-policy`}>${say("schedule.then")}</label>
          <select
            class="menu"
            id=${`${id}-policy`}
            value=${entry.value.policy}
            onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => set({ policy: currentTarget.value })}
          >
            ${policies.map(([value, text]) => html`<option key=${value} value=${value} selected=${value === entry.value.policy}>${text}</option>`)}
          </select>
        </div>
      </div>
      <${Days} days=${entry.value.days} change=${(/** @type {number[]} */ days) => set({ days })} />
      <p><${Button} icon="plus" action=${add}>${say("schedule.add")}<//></p>
    </details>
  </section>`;
}
