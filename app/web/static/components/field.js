/** A labelled field with its hint and, where it is wrong, the reason. */

import { html } from "../ui.js";

/** @import { FieldOptions } from "./form.js" */

/** @param {FieldOptions & { id: string; error: string | null }} props */
export function Field({
  id,
  name,
  label,
  type = "text",
  autocomplete = "off",
  hint,
  required,
  value,
  autofocus,
  error,
}) {
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input
      id=${id}
      name=${name}
      type=${type}
      autocomplete=${autocomplete}
      required=${required}
      autofocus=${autofocus}
      defaultValue=${value ?? ""}
      aria-describedby=${described || undefined}
      aria-invalid=${error ? "true" : undefined}
    />
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}
