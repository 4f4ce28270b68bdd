/** One setting in a field of its own: it counts once the reader leaves it, or presses Enter; Escape takes it back. */

import { sentenceOf } from "../api/errors.js";
import { CancelledError } from "../store/password.js";
import { html, useEffect, useId, useRef, useSignal } from "../ui.js";

/**
 * @param {{
 *   label: string;
 *   value: string;
 *   send: (value: string) => Promise<unknown>;
 *   hint?: string;
 *   inputmode?: string;
 *   placeholder?: string;
 * }} props
 */
export function LiveField({ label, value, send, hint, inputmode, placeholder }) {
  const id = useId();
  const busy = useSignal(false);
  const error = useSignal("");
  const input = /** @type {import("../vendor/preact.js").RefObject<HTMLInputElement | null>} */ (useRef(null));

  useEffect(() => {
    if (input.current && !error.peek() && document.activeElement !== input.current) input.current.value = value;
  }, [value]);

  async function leave() {
    const wanted = input.current?.value.trim() ?? "";
    if (busy.value) return;
    if (wanted === value) error.value = "";
    if (wanted === value) return;
    busy.value = true;
    try {
      await send(wanted);
      error.value = "";
    } catch (reason) {
      error.value = reason instanceof CancelledError ? "" : sentenceOf(reason);
    } finally {
      busy.value = false;
    }
  }

  function press(/** @type {KeyboardEvent} */ event) {
    if (!input.current) return;
    if (event.key === "Enter") leave();
    if (event.key !== "Escape") return;
    input.current.value = value;
    error.value = "";
  }

  const described = [hint && `${id}-hint`, error.value && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input
      ref=${input}
      id=${id}
      autocomplete="off"
      spellcheck=${false}
      inputmode=${inputmode}
      placeholder=${placeholder}
      defaultValue=${value}
      aria-busy=${busy.value}
      aria-describedby=${described || undefined}
      aria-invalid=${error.value ? "true" : undefined}
      onBlur=${leave}
      onKeyDown=${press}
    />
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error.value && html`<p class="error" id=${`${id}-error`} role="alert">${error.value}</p>`}
  </div>`;
}
