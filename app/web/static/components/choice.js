/** A setting that is one of a few, saved at once; it shows what the gateway says, not what was hoped for. */

import { html, useId } from "../ui.js";
import { useSaving } from "./saving.js";

/**
 * @param {{
 *   label: string;
 *   hint?: string | undefined;
 *   value: string;
 *   options: [value: string, text: string][];
 *   disabled?: boolean;
 *   save: (value: string) => unknown;
 * }} props
 */
export function Choice({ label, hint, value, options, disabled = false, save }) {
  const id = useId();
  const { busy, change } = useSaving(save);
  function choose(/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget: menu }) {
    const wanted = menu.value;
    menu.value = value;
    change(wanted);
  }
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select
      class="menu"
      id=${id}
      value=${value}
      disabled=${disabled}
      aria-busy=${busy}
      aria-describedby=${hint ? `${id}-hint` : undefined}
      onChange=${choose}
    >
      ${options.map(([each, text]) => html`<option key=${each} value=${each} selected=${each === value}>${text}</option>`)}
    </select>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}
