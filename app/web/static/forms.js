/** Small forms made in script: fields with their errors beside them. */

import { ApiError, messageOf } from "./api.js";
import { h, setText, whileBusy, within } from "./dom.js";

/** @import { Attributes } from "../types/dom.d.ts" */

let count = 0; // fields so far: no two have the same id

/**
 * A labelled control with a place for its error; `name` is the field of the API.
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
  const made = h("select", {}, ...options.map(([key, text]) => h("option", { value: key }, text)));
  made.value = value;
  return made;
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
  const made = h("form", { novalidate: true, ...attributes }, ...children.slice(0, -1), general, children.at(-1));
  made.addEventListener("input", ({ target }) => mark(fieldOf(target), null));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    general.hidden = true;
    for (const each of made.querySelectorAll(".field")) mark(each, null);
    const values = /** @type {V} */ (Object.fromEntries(new FormData(made)));
    whileBusy(within(made, "[type=submit]", HTMLButtonElement), async () => {
      try {
        await send(values);
      } catch (error) {
        const named = error instanceof ApiError ? error.field : null;
        const at = made.querySelector(`.field[data-field="${CSS.escape(named ?? "")}"]`);
        if (at) mark(at, messageOf(error), true);
        else {
          setText(general, messageOf(error));
          general.hidden = false;
        }
      }
    });
  });
  return made;
}

/**
 * The field in which `target` of an event is.
 *
 * @param {EventTarget | null} target
 */
export const fieldOf = (target) => (target instanceof Element ? target.closest(".field") : null);

/**
 * @param {Element | null} at
 * @param {string | null} message
 */
function mark(at, message, focus = false) {
  if (!at) return;
  const error = within(at, ".error");
  const input = within(at, "input, select");
  error.hidden = !message;
  setText(
    error,
    message ? message.replace(/^[\w-]+: (.)/, (_, /** @type {string} */ first) => first.toUpperCase()) : "",
  );
  if (message) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  if (focus) input.focus();
}
