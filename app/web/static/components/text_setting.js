/** A setting of one line, saved when it is left or by Enter; what the gateway refuses stays, with the reason below it. */

import { sentenceOf } from "../api/errors.js";
import { html, useEffect, useId, useRef, useSignal } from "../ui.js";

/**
 * @param {{
 *   label: string;
 *   hint?: string | undefined;
 *   value: string;
 *   type?: string;
 *   placeholder?: string;
 *   suggestions?: string[];
 *   save: (value: string) => Promise<unknown>;
 * }} props
 */
export function TextSetting({ label, hint, value, type = "text", placeholder, suggestions, save }) {
  const id = useId();
  /** @type {import("../vendor/signals.js").Signal<string | null>} */
  const failure = useSignal(/** @type {string | null} */ (null));
  const input = /** @type {import("../vendor/preact.js").RefObject<HTMLInputElement | null>} */ (useRef(null));
  useEffect(() => {
    if (input.current) input.current.value = value;
    failure.value = null;
  }, [value]);

  async function commit() {
    const wanted = input.current?.value.trim() ?? "";
    if (wanted === value) return;
    try {
      await save(wanted);
      failure.value = null;
    } catch (error) {
      failure.value = sentenceOf(error);
    }
  }

  const described = [hint && `${id}-hint`, failure.value && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="setting">
    <label for=${id}>${label}</label>
    <input
      ref=${input}
      id=${id}
      type=${type}
      autocomplete="off"
      autocapitalize="none"
      spellcheck=${false}
      placeholder=${placeholder}
      list=${suggestions ? `${id}-list` : undefined}
      aria-describedby=${described || undefined}
      aria-invalid=${failure.value ? "true" : undefined}
      onChange=${commit}
    />
    ${suggestions && html`<datalist id=${`${id}-list`}>${suggestions.map((each) => html`<option value=${each} />`)}</datalist>`}
    ${failure.value && html`<p class="error" id=${`${id}-error`} role="alert">${failure.value}</p>`}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}
