/** The days of the week, to choose some of them. */

import { weekdays } from "../lib/schedule.js";
import { say } from "../messages/messages.js";
import { language } from "../store/preferences.js";
import { html } from "../ui.js";

/** @param {{ days: number[]; change: (days: number[]) => void }} props 0 = Monday */
export const Days = ({ days, change }) =>
  html`<fieldset class="days">
    <legend>${say("schedule.days")}</legend>
    ${weekdays(language.value).map(
      (name, day) =>
        html`<label class="check" key=${day}>
          <input
            type="checkbox"
            checked=${days.includes(day)}
            onChange=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) => {
              const others = days.filter((each) => each !== day);
              change(currentTarget.checked ? [...others, day].sort((a, b) => a - b) : others);
            }}
          />
          <span>${name}</span>
        </label>`,
    )}
  </fieldset>`;
