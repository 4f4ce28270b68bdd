/** Every form of the page: labelled fields, and the API's error at the field that it names. */

import { ApiError } from "../api/client.js";
import { sentenceOf } from "../api/errors.js";
import { say } from "../messages/messages.js";
import { html, useEffect, useId, useRef, useSignal } from "../ui.js";
import { Field } from "./field.js";

/**
 * @typedef {{ name: string; label: string; type?: string; autocomplete?: string; hint?: string; required?: boolean; value?: string; autofocus?: boolean;
 *   optional?: boolean; placeholder?: string; rows?: number; options?: [value: string, text: string][] }} FieldOptions
 *   With `options` it is a menu, with `rows` a text of several lines.
 */

/**
 * The gateway does not tell which of password and code was wrong.
 *
 * @param {unknown} error
 * @param {FieldOptions[]} fields
 */
function textOf(error, fields) {
  const either =
    error instanceof ApiError && error.code === "wrong_password" && fields.some(({ name }) => name === "code");
  return either ? say("error.wrong_password_or_code") : sentenceOf(error);
}

/**
 * @param {{
 *   fields: FieldOptions[];
 *   submit: string;
 *   send: (values: Record<string, string>) => Promise<unknown>;
 *   children?: unknown;
 * }} props
 */
export function Form({ fields, submit, send, children }) {
  const id = useId();
  const busy = useSignal(false);
  /** @type {import("../vendor/signals.js").Signal<{ field: string | null; text: string } | null>} */
  const failure = useSignal(null);
  const form = /** @type {import("../vendor/preact.js").RefObject<HTMLFormElement | null>} */ (useRef(null));

  useEffect(() => {
    if (!failure.value) return;
    const wrong = form.current?.querySelector('[aria-invalid="true"], [role="alert"]');
    if (wrong instanceof HTMLElement) wrong.focus();
  }, [failure.value]);

  async function onSubmit(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    if (busy.value || !form.current) return;
    const values = Object.fromEntries([...new FormData(form.current)].map(([name, value]) => [name, String(value)]));
    busy.value = true;
    try {
      await send(values);
      failure.value = null;
    } catch (error) {
      const named = error instanceof ApiError ? error.field : null;
      const field = fields.some((each) => each.name === named) ? named : null;
      failure.value = { field, text: textOf(error, fields) };
    } finally {
      busy.value = false;
    }
  }

  const shown = failure.value;
  return html`<form ref=${form} class="form" novalidate onSubmit=${onSubmit}>
    ${shown && shown.field === null && html`<p class="error" role="alert" tabindex="-1">${shown.text}</p>`}
    ${fields.map(
      (field) =>
        html`<${Field}
          key=${field.name}
          id=${`${id}-${field.name}`}
          error=${shown?.field === field.name ? shown.text : null}
          ...${field}
        />`,
    )}
    ${children}
    <button class="button primary" type="submit" aria-busy=${busy.value}>${submit}</button>
  </form>`;
}
