/** A setting that is on or off, saved at once; it shows what the gateway says, not what was hoped for. */

import { html, useId } from "../ui.js";
import { useSaving } from "./saving.js";

/**
 * @param {{
 *   label: string;
 *   hint?: string | undefined;
 *   checked: boolean;
 *   disabled?: boolean;
 *   save: (checked: boolean) => Promise<unknown>;
 * }} props
 */
export function Toggle({ label, hint, checked, disabled = false, save }) {
  const id = useId();
  const { busy, change } = useSaving(save);
  function turn(/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget: box }) {
    const wanted = box.checked;
    box.checked = checked;
    change(wanted);
  }
  return html`<div class="setting toggle">
    <input
      type="checkbox"
      role="switch"
      id=${id}
      checked=${checked}
      disabled=${disabled}
      aria-busy=${busy}
      aria-describedby=${hint ? `${id}-hint` : undefined}
      onChange=${turn}
    />
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}
