/** Forms made in script: labelled fields with their errors below them. */

import { ApiError, messageOf } from "./api.js";
import { h, setText, whileBusy, within } from "./dom.js";

/** @import { Attributes } from "../types/dom.d.ts" */

let count = 0; // of fields, for unique ids

/**
 * A labelled control with a place for its error; `name` is the name of the field in the API.
 *
 * @param {string} label
 * @param {string} name
 * @param {Attributes<"input">} [attributes]
 * @param {HTMLSelectElement | null} [control]
 */
export function field(label, name, attributes = {}, control = null) {
  count += 1;
  const id = `form-${name}-${count}`;
  const input = control ?? h("input", { autocomplete: "off", ...attributes });
  input.id = id;
  input.name = name;
  input.setAttribute("aria-describedby", `${id}-error`);
  return h(
    "div",
    { class: "field", "data-field": name },
    h("label", { for: id }, label),
    input,
    h("p", { class: "error", id: `${id}-error`, hidden: true }),
  );
}

/**
 * @param {Array<[string, string]>} options
 * @param {string} value
 */
export function select(options, value) {
  const element = h("select", {}, ...options.map(([key, text]) => h("option", { value: key }, text)));
  element.value = value;
  return element;
}

/**
 * A form whose `send(values)` may throw an ApiError, which is shown at the field that it names.
 *
 * @template {Record<string, string | undefined>} V
 * @param {Attributes<"form">} attributes
 * @param {HTMLElement[]} children the last of them is the button
 * @param {(values: V) => Promise<unknown>} send
 */
export function form(attributes, children, send) {
  const general = h("p", { class: "error", role: "alert", hidden: true });
  const element = h("form", { novalidate: true, ...attributes }, ...children.slice(0, -1), general, children.at(-1));
  element.addEventListener("input", ({ target }) => setFieldError(fieldOf(target), null));
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    general.hidden = true;
    for (const each of element.querySelectorAll(".field")) setFieldError(each, null);
    const values = /** @type {V} */ (Object.fromEntries(new FormData(element)));
    whileBusy(within(element, "[type=submit]", HTMLButtonElement), async () => {
      try {
        await send(values);
      } catch (error) {
        const name = error instanceof ApiError ? error.field : null;
        const place = element.querySelector(`.field[data-field="${CSS.escape(name ?? "")}"]`);
        if (place) setFieldError(place, messageOf(error), true);
        else {
          setText(general, messageOf(error));
          general.hidden = false;
        }
      }
    });
  });
  return element;
}

/**
 * The field that contains the target of an event.
 *
 * @param {EventTarget | null} target
 */
export const fieldOf = (target) => (target instanceof Element ? target.closest(".field") : null);

/**
 * @param {Element | null} place
 * @param {string | null} message
 */
function setFieldError(place, message, focus = false) {
  if (!place) return;
  const error = within(place, ".error");
  const input = within(place, "input, select");
  error.hidden = !message;
  setText(
    error,
    message ? message.replace(/^[\w-]+: (.)/, (_, /** @type {string} */ first) => first.toUpperCase()) : "",
  );
  if (message) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  if (focus) input.focus();
}
