/** Times of the day as minutes after midnight, and days of the week as 0 = Monday (pure). */

const A_MONDAY = Date.UTC(2024, 0, 1);
const DAY = 86_400_000; // milliseconds
const WEEK = 7;

/** @param {number} minutes */
export const clockText = (minutes) =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

/** @param {string} text "21:30" */
export function minutesOf(text) {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return hours * 60 + minutes;
}

/** @param {string} language */
export function weekdays(language) {
  const format = new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" });
  return Array.from({ length: WEEK }, (_, day) => format.format(A_MONDAY + day * DAY));
}

/**
 * The days in words; empty where it is every day.
 *
 * @param {number[]} days
 * @param {string} language
 */
export function dayNames(days, language) {
  if (days.length === WEEK) return "";
  const names = weekdays(language);
  return [...days]
    .sort((a, b) => a - b)
    .map((day) => names[day])
    .join(", ");
}
