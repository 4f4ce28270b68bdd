/** The changes of server by the clock: those that there are, and the way to add one. */

import { Button } from "../../components/button.js";
import { Days } from "../../components/days.js";
import { clockText, dayNames, minutesOf } from "../../lib/schedule.js";
import { say } from "../../messages/messages.js";
import { preferences } from "../../store/gateway.js";
import { language } from "../../store/preferences.js";
import { changeSettings } from "../../store/settings.js";
import { html, useId, useSignal } from "../../ui.js";

/** @import { ServerChange } from "../../../types/api.d.ts" */

const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];

/** @param {ServerChange} change */
function describe({ at, days = EVERY_DAY, select = "random" }) {
  const server =
    select === "random" ? say("connection.to_any") : select === "fastest" ? say("connection.to_fastest") : select;
  return `${clockText(at)}, ${dayNames(days, language.value) || say("schedule.every_day")}: ${server}`;
}

/** @param {{ changes: ServerChange[] }} props */
export function ServerChanges({ changes }) {
  const id = useId();
  const at = useSignal("04:00");
  const select = useSignal("random");
  const days = useSignal(EVERY_DAY);
  const save = (/** @type {ServerChange[]} */ wanted) => changeSettings({ server_changes: wanted });
  const add = () => save([...changes, { at: minutesOf(at.value), days: days.value, select: select.value || "random" }]);
  return html`<section class="card settings-list">
    <h2>${say("connection.changes")}</h2>
    <p class="hint">${say("connection.changes_what", { zone: preferences.value?.time_zone ?? "" })}</p>
    ${
      changes.length > 0 &&
      html`<ul class="rows">
        ${changes.map(
          (change) =>
            html`<li class="row" key=${describe(change)}>
              <p class="grow row-title">${describe(change)}</p>
              <${Button} icon="trash-2" label=${say("action.remove_label", { name: describe(change) })} action=${() => save(changes.filter((each) => each !== change))} />
            </li>`,
        )}
      </ul>`
    }
    <div class="entry">
      <div class="setting">
        <label for=${`${id}-at`}>${say("connection.at")}</label>
        <input id=${`${id}-at`} type="time" required value=${at.value} onInput=${(
          /** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget },
        ) => {
          at.value = currentTarget.value;
        }} />
      </div>
      <div class="setting">
        <label for=${`${id}-to`}>${say("connection.to")}</label>
        <input id=${`${id}-to`} list=${`${id}-list`} autocomplete="off" autocapitalize="none" value=${select.value} onInput=${(
          /** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget },
        ) => {
          select.value = currentTarget.value.trim();
        }} />
        <datalist id=${`${id}-list`}>
          <option value="random">${say("connection.to_any")}</option>
          <option value="fastest">${say("connection.to_fastest")}</option>
        </datalist>
      </div>
    </div>
    <${Days} days=${days.value} change=${(/** @type {number[]} */ chosen) => {
      days.value = chosen;
    }} />
    <p><${Button} icon="plus" action=${add}>${say("connection.add_change")}<//></p>
  </section>`;
}
