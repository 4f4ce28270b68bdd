/** The page's words in the reader's language: `say("home.title")`, `say("devices.count", { count: 3 })`. */

import { language, locale } from "../store/preferences.js";
import en from "./en.js";

/** @typedef {string | { one: string; other: string }} Text */
/** @typedef {keyof typeof en} Key */

/** @type {Record<string, Record<string, Text>>} */
const CATALOGUES = { en };

/**
 * Fetch the words of a language, before it is spoken; English is always there, and speaks where they do not come.
 *
 * @param {string} chosen
 */
export async function fetchWords(chosen) {
  if (chosen === "de") CATALOGUES.de ??= (await import("./de.js")).default;
}

/**
 * @param {Key} key
 * @param {Record<string, string | number>} [values] What the text names in braces; `count` chooses its plural.
 */
export function say(key, values = {}) {
  const spoken = language.value;
  const text = CATALOGUES[spoken]?.[key] ?? en[key];
  const chosen = typeof text === "string" ? text : text[plural(values.count, spoken)];
  return chosen.replace(/\{(\w+)\}(\.?)/g, (_, name, stop) => {
    const told = shown(values[name]);
    return told.endsWith(".") ? told : told + stop; // "in 29 Sek." ends a sentence by itself
  });
}

/**
 * The text for a code of the API; null where the page has none for it.
 *
 * @param {string} group
 * @param {string} code
 * @param {Record<string, string | number>} [values]
 */
export function sayCode(group, code, values = {}) {
  const key = `${group}.${code}`;
  return key in en ? say(/** @type {Key} */ (key), values) : null;
}

/**
 * @param {string | number | undefined} count
 * @param {string} spoken
 * @returns {"one" | "other"}
 */
const plural = (count, spoken) => (new Intl.PluralRules(spoken).select(Number(count)) === "one" ? "one" : "other");

/** @param {string | number | undefined} value */
const shown = (value) => (typeof value === "number" ? value.toLocaleString(locale.value) : (value ?? ""));
