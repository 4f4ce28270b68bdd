/** Numbers, durations and sizes as text. */

/** @param {number} seconds */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const d = Math.floor(s / 86400);
  const hours = Math.floor(s / 3600) % 24;
  const m = Math.floor(s / 60) % 60;
  if (d) return `${d}d ${hours}h`;
  if (hours) return `${hours}h ${m}m`;
  return m ? `${m}m ${s % 60}s` : `${s}s`;
}

/** @param {number} seconds */
export function ago(seconds) {
  return seconds < 2 ? "just now" : `${duration(seconds)} ago`;
}

/** @param {number} count */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** @param {number} value */
export const number = (value) => value.toLocaleString("en");

/**
 * A count with its noun: "1 packet", "2 packets".
 *
 * @param {number} count
 * @param {string} one
 */
export const plural = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;
