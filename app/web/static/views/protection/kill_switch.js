/** The kill switch in words: whether it holds, when that was last looked at, and what had to be repaired. */

import { StateBadge } from "../../components/state_badge.js";
import { ago } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { canary } from "../../store/canary.js";
import { now } from "../../store/clock.js";
import { state, status } from "../../store/gateway.js";
import { locale } from "../../store/preferences.js";
import { isStale } from "../../store/tone.js";
import { html } from "../../ui.js";
import { next, what, why } from "../home/words.js";
import { OpenExits } from "./open_exits.js";

/** @import { Attestation } from "../../../types/api.d.ts" */
/** @import { State } from "../../lib/state.js" */

/** @returns {{ state: State; what: string; why: string; next: string }} */
function shown() {
  const present = { state: state.value, what: what(), why: why() ?? "", next: next() ?? "" };
  if (isStale()) return present;
  if (canary.value?.shut) {
    return { state: "blocked", what: say("kill.shut"), why: say("kill.shut_why"), next: say("kill.shut_next") };
  }
  if (state.value === "unconfirmed") return { ...present, next: say("kill.repairing") };
  if (state.value === "open") return { ...present, what: say("kill.active"), why: what(), next: say("kill.open_next") };
  return { state: "protected", what: say("kill.active"), why: say("kill.active_why"), next: say("kill.active_next") };
}

/** @param {{ attestation: Attestation }} props */
function LastLook({ attestation: { checked, repairs, drift } }) {
  return html`<dl class="facts">
      <div><dt>${say("kill.checked")}</dt><dd>${checked ? ago(checked, now.value, locale.value) : say("kill.never")}</dd></div>
      <div><dt>${say("kill.repairs")}</dt><dd>${say("kill.times", { count: repairs })}</dd></div>
      <div><dt>${say("kill.differences")}</dt><dd>${drift.length ? say("kill.found", { count: drift.length }) : say("kill.none")}</dd></div>
    </dl>
    ${drift.length > 0 && html`<ul class="notes wide" lang="en">${drift.map((each) => html`<li key=${each}>${each}</li>`)}</ul>`}`;
}

export function KillSwitch() {
  const { state: tone, ...words } = shown();
  return html`<section class="card hero kill-switch" data-state=${tone} aria-label=${say("kill.title")}>
    <${StateBadge} state=${tone} ...${words} level=${2} />
    ${status.value && !isStale() && html`<${LastLook} attestation=${status.value.attestation} />`}
    <p class="hint">${say("kill.what_is_looked_at")}</p>
    ${canary.value?.shut && !isStale() && html`<${OpenExits} />`}
  </section>`;
}
