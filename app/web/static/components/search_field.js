/** A field to search the view by; "/" leads to it from anywhere in the view, as in many programs. */

import { html, useEffect, useRef } from "../ui.js";

const TYPED_IN = "input, textarea, select, [contenteditable]";

/**
 * @param {{
 *   label: string;
 *   value: string;
 *   change: (value: string) => void;
 *   press?: (event: KeyboardEvent) => void;
 * }} props
 */
export function SearchField({ label, value, change, press }) {
  const input = /** @type {import("../vendor/preact.js").RefObject<HTMLInputElement | null>} */ (useRef(null));
  useEffect(() => {
    function lead(/** @type {KeyboardEvent} */ event) {
      const typing = event.target instanceof Element && event.target.closest(TYPED_IN);
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing) return;
      event.preventDefault();
      input.current?.focus();
    }
    document.addEventListener("keydown", lead);
    return () => document.removeEventListener("keydown", lead);
  }, []);
  return html`<input
    ref=${input}
    type="search"
    aria-label=${label}
    aria-keyshortcuts="/"
    placeholder=${label}
    autocomplete="off"
    spellcheck=${false}
    value=${value}
    onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) => change(currentTarget.value)}
    onKeyDown=${press}
  />`;
}
