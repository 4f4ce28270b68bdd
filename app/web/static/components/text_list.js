/** A setting that is a list of short texts: each is removed or added at once. */

import { say } from "../messages/messages.js";
import { html, useSignal } from "../ui.js";
import { Button } from "./button.js";
import { Form } from "./form.js";

/** @typedef {(present: string[]) => string[]} ListChange Makes the new list of the one that the gateway has. */

/**
 * @param {{
 *   label: string;
 *   hint?: string;
 *   values: string[];
 *   placeholder?: string;
 *   save: (change: ListChange) => Promise<unknown>;
 * }} props
 */
export function TextList({ label, hint, values, placeholder = "", save }) {
  const added = useSignal(0); // a new form each time, which is empty
  async function add(/** @type {Record<string, string>} */ { text = "" }) {
    if (text.trim()) await save((present) => [...present, text.trim()]);
    added.value += 1;
  }
  return html`<div class="text-list">
    ${
      values.length > 0 &&
      html`<ul class="rows">
        ${values.map(
          (each) =>
            html`<li class="row" key=${each}>
              <p class="grow row-title">${each}</p>
              <${Button} icon="trash-2" label=${say("action.remove_label", { name: each })} action=${() => save((present) => present.filter((other) => other !== each))} />
            </li>`,
        )}
      </ul>`
    }
    <${Form}
      key=${added.value}
      fields=${[{ name: "text", label, hint, placeholder }]}
      submit=${say("action.add")}
      send=${add}
    />
  </div>`;
}
