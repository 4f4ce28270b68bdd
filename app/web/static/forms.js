/** Small forms made in script: fields with their errors beside them. */

import { h, setText, whileBusy } from "./dom.js";

let count = 0; // fields so far: no two have the same id

/** A labelled control with a place for its error; `name` is the field of the API. */
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

export function select(options, value) {
  const made = h("select", {}, ...options.map(([key, text]) => h("option", { value: key }, text)));
  made.value = value;
  return made;
}

/** A form whose `send(values)` may throw an ApiError, which is shown at the field that it names. */
export function form(attributes, children, send) {
  const general = h("p", { class: "error", role: "alert", hidden: true });
  const made = h("form", { novalidate: true, ...attributes }, ...children.slice(0, -1), general, children.at(-1));
  made.addEventListener("input", ({ target }) => mark(target.closest(".field"), null));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    general.hidden = true;
    for (const each of made.querySelectorAll(".field")) mark(each, null);
    const values = Object.fromEntries(new FormData(made));
    whileBusy(made.querySelector("[type=submit]"), async () => {
      try {
        await send(values, made);
      } catch (error) {
        const at = made.querySelector(`.field[data-field="${CSS.escape(error.field ?? "")}"]`);
        if (at) mark(at, error.message, true);
        else {
          setText(general, error.message);
          general.hidden = false;
        }
      }
    });
  });
  return made;
}

function mark(at, message, focus = false) {
  if (!at) return;
  const error = at.querySelector(".error");
  const input = at.querySelector("input, select");
  error.hidden = !message;
  setText(error, message ? message.replace(/^[\w-]+: (.)/, (_, first) => first.toUpperCase()) : "");
  if (message) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  if (focus) input.focus();
}
