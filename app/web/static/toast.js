/** Short messages at the bottom of the page; errors stay until they are dismissed. */

import { messageOf } from "./api.js";
import { $, h } from "./dom.js";

/** @import { Child } from "../types/dom.d.ts" */

const DISPLAY_TIME = 6000; // milliseconds

/**
 * @param {Child | Child[]} content
 * @param {{ bad?: boolean; stays?: boolean }} [options]
 */
export function toast(content, { bad = false, stays = bad } = {}) {
  /** @type {HTMLElement} */
  const element = h(
    "div",
    { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" },
    h("span", {}, ...[content].flat()),
    h("button", { type: "button", "aria-label": "Dismiss", onclick: () => element.remove() }, "✕"),
  );
  $("toasts").append(element);
  while ($("toasts").childElementCount > 3) $("toasts").firstElementChild?.remove();
  if (!stays) setTimeout(() => element.remove(), DISPLAY_TIME);
}

/** @param {unknown} error */
export function showError(error) {
  const message = messageOf(error);
  console.info("refused:", message);
  toast(message, { bad: true });
}
