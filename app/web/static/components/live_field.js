/** One setting in a field of its own: it counts once the reader leaves it, or presses Enter; Escape takes it back. */

import { sentenceOf } from "../api/errors.js";
import { CancelledError } from "../store/password.js";
import { html, useEffect, useId, useRef, useSignal } from "../ui.js";
import { useSaving } from "./saving.js";

/**
 * @param {{
 *   label: string;
 *   value: string;
 *   save: (value: string) => Promise<unknown>;
 *   hint?: string | undefined;
 *   type?: string;
 *   inputmode?: string;
 *   placeholder?: string;
 *   longest?: number;
 *   suggestions?: string[];
 * }} props What the gateway refuses stays in the field, with the reason below it.
 */
export function LiveField({
  label,
  value,
  save,
  hint,
  type = "text",
  inputmode,
  placeholder,
  longest = 255,
  suggestions,
}) {
  const id = useId();
  const error = useSignal("");
  const input = /** @type {import("../vendor/preact.js").RefObject<HTMLInputElement | null>} */ (useRef(null));

  useEffect(() => {
    if (input.current && !error.peek() && document.activeElement !== input.current) input.current.value = value;
  }, [value]);

  const said = useRef(value);
  said.current = value; // also for what is called off after the gateway has said something else

  function takeBack() {
    if (input.current) input.current.value = said.current;
    error.value = "";
  }

  const { busy, change } = useSaving(async (/** @type {string} */ wanted) => {
    try {
      await save(wanted);
      error.value = "";
    } catch (reason) {
      if (reason instanceof CancelledError) takeBack();
      else error.value = sentenceOf(reason);
    }
  });

  function leave() {
    const wanted = input.current?.value.trim() ?? "";
    if (busy || wanted !== value) change(wanted);
    else error.value = "";
  }

  function press(/** @type {KeyboardEvent} */ event) {
    if (event.key === "Enter") leave();
    if (event.key === "Escape") takeBack();
  }

  const described = [hint && `${id}-hint`, error.value && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input
      ref=${input}
      id=${id}
      type=${type}
      autocomplete="off"
      autocapitalize="none"
      spellcheck=${false}
      inputmode=${inputmode}
      placeholder=${placeholder}
      maxlength=${longest}
      list=${suggestions ? `${id}-list` : undefined}
      defaultValue=${value}
      aria-busy=${busy}
      aria-describedby=${described || undefined}
      aria-invalid=${error.value ? "true" : undefined}
      onBlur=${leave}
      onKeyDown=${press}
    />
    ${suggestions && html`<datalist id=${`${id}-list`}>${suggestions.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error.value && html`<p class="error" id=${`${id}-error`} role="alert">${error.value}</p>`}
  </div>`;
}
