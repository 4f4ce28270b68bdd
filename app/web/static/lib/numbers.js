/** Numbers and rates in the reader's language (pure). */

/** @type {("byte" | "kilobyte" | "megabyte" | "gigabyte" | "terabyte")[]} */
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/**
 * An amount of bytes as "1.2 MB".
 *
 * @param {number} amount
 * @param {string} language
 */
export function bytes(amount, language) {
  const step = amount < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(amount) / 3));
  const scaled = amount / 1000 ** step;
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: UNITS[step],
    unitDisplay: step ? "short" : "long", // short of byte is "10 byte"
    maximumFractionDigits: step && scaled < 10 ? 1 : 0,
  }).format(scaled);
}

/**
 * Bytes a second as "9.6 Mbit/s", in which providers and speed tests count.
 *
 * @param {number} perSecond
 * @param {string} language
 */
export function rate(perSecond, language) {
  const bits = perSecond * 8;
  const [amount, unit] = bits < 1e6 ? [bits / 1e3, "kbit/s"] : [bits / 1e6, "Mbit/s"];
  if (amount === 0) return `0 ${unit}`; // the first view shows it, before a slow phone has looked up how to write numbers
  const digits = amount >= 10 ? 0 : 1;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(amount)} ${unit}`;
}
