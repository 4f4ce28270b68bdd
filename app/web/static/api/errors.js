/** The sentence that tells people of an error: chosen by the API's code, which itself is never shown. */

import { span } from "../lib/time.js";
import { say, sayCode } from "../messages/messages.js";
import { language } from "../store/preferences.js";
import { ApiError } from "./client.js";

/** The codes whose message from the gateway says more than a fixed sentence: it names the server, the line, the limit. */
const TELLS_MORE = new Set([
  "conflict",
  "connect_timeout",
  "incomplete",
  "invalid_config",
  "invalid_backup",
  "invalid_field",
  "name_in_use",
  "not_restorable",
  "unplannable",
]);

/**
 * @param {unknown} error
 * @returns {string}
 */
export function sentenceOf(error) {
  if (!(error instanceof ApiError)) return say("error.unexpected");
  if (error.code === "locked_out") return say("error.locked_out", { wait: span(error.retryAfter, language.value) });
  const fixed = sayCode("error", error.code);
  if (fixed !== null && !TELLS_MORE.has(error.code)) return fixed;
  const told = sentence(withoutField(error));
  // The gateway speaks English; in another language its words come after those of the page.
  return fixed === null || (told && language.value === "en") ? told : `${fixed} ${told && `(${told})`}`.trim();
}

/**
 * The message without the name of the field that it is shown at ("name: letters and digits").
 *
 * @param {ApiError} error
 */
const withoutField = ({ message, field }) =>
  field && message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message;

/**
 * Why an exit is blocked, by its reason; in the gateway's own words only where the page has none for it.
 *
 * @param {{ reason: string | null; message: string | null }} exit
 */
export function blockedWhy({ reason, message }) {
  const told = message ? sentence(message) : say("why.blocked");
  return (reason && sayCode("error", reason)) ?? told;
}

/**
 * Why there is no way to the Internet.
 *
 * @param {{ reason: string; message: string }} problem
 */
export const wanWhy = ({ reason, message }) => sayCode("wan_problem", reason) ?? sentence(message);

/**
 * The text with a capital first letter, unless it begins with a name such as "vpn-se".
 *
 * @param {string} text
 */
export const sentence = (text) => (/^[a-z]+[ ,:]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text);
