/** Short messages at the bottom of the page; errors stay until they are dismissed. */

import { $, h } from "./dom.js";

const SHOWN = 6000; // milliseconds

export function toast(content, { bad = false, stays = bad } = {}) {
  const element = h(
    "div",
    { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" },
    h("span", {}, ...[content].flat()),
    h("button", { type: "button", "aria-label": "Dismiss", onclick: () => element.remove() }, "✕"),
  );
  $("toasts").append(element);
  while ($("toasts").childElementCount > 3) $("toasts").firstElementChild.remove();
  if (!stays) setTimeout(() => element.remove(), SHOWN);
}

export function failed(error) {
  console.info("refused:", error.message);
  toast(error.message, { bad: true });
}
