/** What the reader has chosen on this browser: the language. */

import { effect, signal } from "../ui.js";

const STORED = "vpn-gateway.language";
const LANGUAGES = ["en", "de"];

function first() {
  const wanted = [localStorage.getItem(STORED), ...navigator.languages].map((each) => each?.slice(0, 2) ?? "");
  return wanted.find((each) => LANGUAGES.includes(each)) ?? "en";
}

export const language = signal(first());

effect(() => {
  document.documentElement.lang = language.value;
});

/** @param {string} chosen */
export function choose(chosen) {
  localStorage.setItem(STORED, chosen);
  language.value = chosen;
}
