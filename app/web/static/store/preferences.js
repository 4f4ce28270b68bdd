/** What the reader has chosen on this browser: the language, and light or dark. */

import { computed, effect, signal } from "../ui.js";

const STORED = "vpn-gateway.language";
const LANGUAGES = ["en", "de"];

function first() {
  const wanted = [localStorage.getItem(STORED), ...navigator.languages].map((each) => each?.slice(0, 2) ?? "");
  return wanted.find((each) => LANGUAGES.includes(each)) ?? "en";
}

export const language = signal(first());

/** The language with the reader's country, where the browser names one ("en-GB"): for times, numbers and names. */
export const locale = computed(
  () => navigator.languages.find((each) => each.slice(0, 2) === language.value) ?? language.value,
);

effect(() => {
  document.documentElement.lang = language.value;
});

const THEME = "vpn-gateway.theme";
/** @type {Record<string, string>} when the dark style sheet counts */
const DARK = { system: "(prefers-color-scheme: dark)", light: "not all", dark: "all" };

/** "system", "light" or "dark" */
export const theme = signal(localStorage.getItem(THEME) ?? "system");

effect(() => {
  const sheet = document.querySelector("#dark");
  if (sheet instanceof HTMLLinkElement) sheet.media = DARK[theme.value] ?? "";
});

/** @param {string} chosen */
export function chooseTheme(chosen) {
  localStorage.setItem(THEME, chosen);
  theme.value = chosen;
}

/** @param {string} chosen */
export function choose(chosen) {
  localStorage.setItem(STORED, chosen);
  language.value = chosen;
}
