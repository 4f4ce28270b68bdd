/** A labelled field that is saved when it is left or Enter is pressed; what the gateway refuses stays, with the reason. */

import { ApiError } from "../api/client.js";
import { sentenceOf } from "../api/errors.js";
import { CancelledError } from "../store/password.js";
import { html, useId, useSignal } from "../ui.js";

/**
 * @param {{
 *   label: string;
 *   value: string;
 *   save: (value: string) => Promise<unknown>;
 *   hint?: string;
 *   placeholder?: string;
 *   longest?: number;
 * }} props
 */
export function InlineField({ label, value, save, hint, placeholder, longest = 64 }) {
  const id = useId();
  const busy = useSignal(false);
  const error = useSignal("");
  async function change(/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget: input }) {
    const wanted = input.value.trim();
    if (wanted === value || busy.value) return;
    busy.value = true;
    try {
      await save(wanted);
      error.value = "";
    } catch (failure) {
      if (failure instanceof CancelledError) input.value = value;
      else error.value = sentenceOf(failure instanceof ApiError ? failure : null);
    } finally {
      busy.value = false;
    }
  }
  const described = [hint && `${id}-hint`, error.value && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input
      id=${id}
      key=${value}
      defaultValue=${value}
      placeholder=${placeholder}
      maxlength=${longest}
      autocomplete="off"
      aria-busy=${busy.value}
      aria-describedby=${described || undefined}
      aria-invalid=${error.value ? "true" : undefined}
      onChange=${change}
    />
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error.value && html`<p class="error" id=${`${id}-error`} role="alert">${error.value}</p>`}
  </div>`;
}
