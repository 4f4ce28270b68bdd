/** Entries of a schedule for people: their days and hours (pure). */

/** @import { ScheduleBody } from "../../types/api.d.ts" */
/** @typedef {(present: ScheduleBody[]) => ScheduleBody[]} ScheduleChange Makes the new hours of those that the gateway has. */

const DAY = 86_400_000; // milliseconds
const MONDAY = Date.UTC(2024, 0, 1);

/** The days of a week, from Monday. */
export const DAYS = [0, 1, 2, 3, 4, 5, 6];

/**
 * @param {number} day 0 = Monday
 * @param {string} language
 * @param {"long" | "short"} [length]
 */
export const dayName = (day, language, length = "short") =>
  new Intl.DateTimeFormat(language, { weekday: length, timeZone: "UTC" }).format(new Date(MONDAY + day * DAY));

/**
 * The days as "Mon, Tue, Sun"; three and more that follow each other as "Mon–Fri".
 *
 * @param {number[]} days
 * @param {string} language
 */
export function dayNames(days, language) {
  /** @type {number[][]} */
  const runs = [];
  for (const day of [...days].sort()) {
    const last = runs.at(-1);
    if (last?.at(-1) === day - 1) last.push(day);
    else runs.push([day]);
  }
  const name = (/** @type {number | undefined} */ day) => dayName(day ?? 0, language);
  return runs
    .map((run) => (run.length > 2 ? `${name(run[0])}–${name(run.at(-1))}` : run.map(name).join(", ")))
    .join(", ");
}

/**
 * @param {number} minutes after midnight
 * @param {string} language
 */
export const clock = (minutes, language) =>
  new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", timeZone: "UTC" }).format(
    new Date(MONDAY + minutes * 60_000),
  );

/**
 * "21:30" as minutes after midnight; null where it is no time.
 *
 * @param {string} text
 */
export function minutesOf(text) {
  const [, hours, minutes] = /^(\d\d):(\d\d)/.exec(text) ?? [];
  return hours === undefined ? null : Number(hours) * 60 + Number(minutes);
}

/** @param {ScheduleBody} entry Whether it ends on the next day. */
export const endsNextDay = ({ start, end }) => end <= start;

/** @param {Record<string, string>} values Of a form with the days of components/days.js: those that are chosen. */
export const daysOf = (values) => DAYS.filter((day) => values[`day${day}`]);
