/** What is shown only once, with a button that copies it; over plain HTTP a browser has no clipboard, then it selects. */

import { say } from "../messages/messages.js";
import { html, useRef, useSignal } from "../ui.js";
import { Button } from "./button.js";

/** @param {{ lines: string[]; label: string }} props */
export function Secret({ lines, label }) {
  const shown = /** @type {import("../vendor/preact.js").RefObject<HTMLElement | null>} */ (useRef(null));
  const copied = useSignal(false);
  async function copy() {
    if (!navigator.clipboard) {
      if (shown.current) getSelection()?.selectAllChildren(shown.current);
      return;
    }
    await navigator.clipboard.writeText(lines.join("\n"));
    copied.value = true;
  }
  const text = navigator.clipboard ? say(copied.value ? "action.copied" : "action.copy") : say("action.select");
  return html`<div class="secret">
    <ul ref=${shown} aria-label=${label}>${lines.map((line) => html`<li key=${line}><code>${line}</code></li>`)}</ul>
    <${Button} icon="copy" action=${copy}>${text}<//>
  </div>`;
}
