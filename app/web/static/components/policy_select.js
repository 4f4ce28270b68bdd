/** A field of a form for a standing policy: an exit, blocked, or in the clear. */

import { policyOf } from "../lib/policy.js";
import { exits } from "../store/gateway.js";
import { policyName } from "../store/names.js";
import { html, useId } from "../ui.js";

/** @param {{ name: string; label: string; value: string }} props */
export function PolicySelect({ name, label, value }) {
  const id = useId();
  const known = ["blocked", ...exits.value.map((exit) => policyOf(exit.name)), "direct"];
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select class="menu" id=${id} name=${name}>
      ${known.map((each) => html`<option key=${each} value=${each} selected=${each === value}>${policyName(each)}</option>`)}
    </select>
  </div>`;
}
