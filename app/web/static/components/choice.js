/** A labelled menu whose choice is made at once; it shows what the gateway says, not what was hoped for. */

import { sentenceOf } from "../api/errors.js";
import { CancelledError } from "../store/password.js";
import { tell } from "../store/toasts.js";
import { html, useId, useSignal } from "../ui.js";

/**
 * @param {{
 *   label: string;
 *   value: string;
 *   options: { value: string; text: string }[];
 *   choose: (value: string) => unknown;
 *   hint?: string;
 * }} props
 */
export function Choice({ label, value, options, choose, hint }) {
  const id = useId();
  const busy = useSignal(false);
  async function change(/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget: menu }) {
    busy.value = true;
    try {
      await choose(menu.value);
    } catch (error) {
      if (!(error instanceof CancelledError)) tell(sentenceOf(error), { bad: true });
      menu.value = value;
    } finally {
      busy.value = false;
    }
  }
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select class="menu" id=${id} value=${value} aria-busy=${busy.value} aria-describedby=${hint ? `${id}-hint` : undefined} onChange=${change}>
      ${options.map((each) => html`<option key=${each.value} value=${each.value} selected=${each.value === value}>${each.text}</option>`)}
    </select>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}
