/** A labelled field with its hint and, where it is wrong, the reason. */

import { say } from "../messages/messages.js";
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
  options,
  rows,
  optional,
  placeholder,
  error,
}) {
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const common = {
    id,
    name,
    "aria-describedby": described || undefined,
    "aria-invalid": error ? "true" : undefined,
  };
  return html`<div class="field">
    <label for=${id}>${label}${optional && html` <span class="optional">${say("field.optional")}</span>`}</label>
    ${
      options
        ? html`<select class="menu" ...${common} required=${required}>
            ${options.map(([each, text]) => html`<option value=${each} selected=${each === value}>${text}</option>`)}
          </select>`
        : html`<${rows ? "textarea" : "input"}
            ...${common}
            type=${rows ? undefined : type}
            rows=${rows}
            autocomplete=${autocomplete}
            autocapitalize="none"
            spellcheck=${false}
            required=${required}
            autofocus=${autofocus}
            placeholder=${placeholder}
            defaultValue=${value ?? ""}
          />`
    }
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}
