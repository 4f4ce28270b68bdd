/** Times and spans of time in the reader's language (pure). */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * A span as "2 hr, 5 min", of at most two units.
 *
 * @param {number} seconds
 * @param {string} language
 */
export function span(seconds, language) {
  const whole = Math.max(0, Math.round(seconds));
  /** @type {[number, Intl.NumberFormatOptions["unit"]][]} */
  const units = [
    [Math.floor(whole / DAY), "day"],
    [Math.floor((whole % DAY) / HOUR), "hour"],
    [Math.floor((whole % HOUR) / MINUTE), "minute"],
    [whole % MINUTE, "second"],
  ];
  const first = units.findIndex(([amount]) => amount > 0);
  const shown = first < 0 ? [units[3]] : units.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown
    .map((each) =>
      new Intl.NumberFormat(language, { style: "unit", unit: each?.[1], unitDisplay: "short" }).format(each?.[0] ?? 0),
    )
    .join(" ");
}

/**
 * The time left as "4:05" or "1:04:05".
 *
 * @param {number} seconds
 */
export function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / HOUR), Math.floor((whole % HOUR) / MINUTE)];
  return hours ? `${hours}:${two(minutes)}:${two(whole % MINUTE)}` : `${minutes}:${two(whole % MINUTE)}`;
}

/**
 * A Unix time as the hour of the day, with the day where it is another than that of `now`.
 *
 * @param {number} time
 * @param {number} now
 * @param {string} language
 */
export function moment(time, now, language) {
  const [then, today] = [new Date(time * 1000), new Date(now * 1000)];
  /** @type {Intl.DateTimeFormatOptions} */
  const hour = { hour: "numeric", minute: "2-digit" };
  const day = then.toDateString() === today.toDateString() ? {} : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(language, /** @type {Intl.DateTimeFormatOptions} */ ({ ...day, ...hour })).format(
    then,
  );
}

/**
 * A Unix time in the past as "5 minutes ago".
 *
 * @param {number} time
 * @param {number} now
 * @param {string} language
 */
export function ago(time, now, language) {
  const seconds = Math.max(0, now - time);
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (seconds < MINUTE) return format.format(0, "second");
  if (seconds < HOUR) return format.format(-Math.floor(seconds / MINUTE), "minute");
  if (seconds < DAY) return format.format(-Math.floor(seconds / HOUR), "hour");
  return format.format(-Math.floor(seconds / DAY), "day");
}

/**
 * A Unix time as a day: "14 Nov 2023".
 *
 * @param {number} time
 * @param {string} language
 */
export const day = (time, language) =>
  new Intl.DateTimeFormat(language, { year: "numeric", month: "short", day: "numeric" }).format(new Date(time * 1000));
