/** The one control of a device: an exit, in the clear for a while, blocked, or as the others. */

import { exitOf, policyOf } from "../lib/policy.js";
import { say } from "../messages/messages.js";
import { exits } from "../store/gateway.js";
import { exitName } from "../store/names.js";
import { html } from "../ui.js";
import { useSaving } from "./saving.js";

export const PAUSES = [15, 30, 60]; // minutes in the clear that the menu offers

/**
 * @param {{ label: string; policy: string; choose: (choice: string) => Promise<unknown> }} props `choose` gets a policy,
 *   "inherit", or "direct:<minutes>".
 */
export function PolicyMenu({ label, policy, choose }) {
  const { busy, change } = useSaving(choose);
  const known = exits.value.map((exit) => policyOf(exit.name));
  const present = exitOf(policy) && !known.includes(policy) ? [policy] : [];
  function pick(/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget: menu }) {
    const wanted = menu.value;
    menu.value = policy; // what the gateway says, not what was hoped for; its answer brings the new one
    change(wanted);
  }
  const option = (/** @type {string} */ value, /** @type {string} */ text) =>
    html`<option key=${value} value=${value} selected=${value === policy}>${text}</option>`;
  return html`<select class="menu" aria-label=${label} aria-busy=${busy} value=${policy} onChange=${pick}>
    ${[...present, ...known].map((each) => option(each, exitName(exitOf(each) ?? each)))}
    ${option("blocked", say("policy.blocked"))} ${policy === "waiting" && option("waiting", say("policy.waiting"))}
    ${policy === "direct" && option("direct", say("policy.direct"))}
    <optgroup label=${say("policy.direct_for")}>
      ${PAUSES.map((minutes) => option(`direct:${minutes}`, say("policy.minutes", { count: minutes })))}
    </optgroup>
    <optgroup label=${say("policy.more")}>${option("inherit", say("policy.inherit"))}</optgroup>
  </select>`;
}
