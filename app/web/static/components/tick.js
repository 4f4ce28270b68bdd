/** One of several that may be chosen, saved at once; it shows what the gateway says, not what was hoped for. */

import { html } from "../ui.js";
import { useSaving } from "./saving.js";

/** @param {{ label: string; hint?: string; checked: boolean; save: (checked: boolean) => Promise<unknown> }} props */
export function Tick({ label, hint, checked, save }) {
  const { busy, change } = useSaving(save);
  function turn(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget: box }) {
    const wanted = box.checked;
    box.checked = checked;
    change(wanted);
  }
  return html`<label>
    <input type="checkbox" checked=${checked} aria-busy=${busy} onChange=${turn} />
    <span>${label}</span>
    ${hint && html`<span class="hint">${hint}</span>`}
  </label>`;
}
