/** The days of the week in a form, to choose some of them; their fields are `day0` (Monday) to `day6`. */

import { DAYS, dayName, dayNames } from "../lib/schedule.js";
import { say } from "../messages/messages.js";
import { locale } from "../store/preferences.js";
import { html } from "../ui.js";

/** @param {{ chosen?: number[] }} props */
export const Days = ({ chosen = [] }) =>
  html`<fieldset class="days">
    <legend>${say("schedule.days")}</legend>
    ${DAYS.map(
      (day) =>
        html`<label key=${day}>
          <input
            type="checkbox"
            name=${`day${day}`}
            defaultChecked=${chosen.includes(day)}
            aria-label=${dayName(day, locale.value, "long")}
          />
          <span aria-hidden="true">${dayName(day, locale.value)}</span>
        </label>`,
    )}
  </fieldset>`;

/** @param {number[]} days */
export const daysInWords = (days) =>
  days.length === DAYS.length ? say("schedule.every_day") : dayNames(days, locale.value);
