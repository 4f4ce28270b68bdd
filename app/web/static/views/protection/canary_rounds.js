/** The gateway's own probes, which try to get out all the time: their count, and the last round as each device. */

import { sentence } from "../../api/errors.js";
import { EvidenceTable } from "../../components/evidence_table.js";
import { Icon } from "../../components/icon.js";
import { ago, span } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { canary } from "../../store/canary.js";
import { now } from "../../store/clock.js";
import { exitName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { isStale } from "../../store/tone.js";
import { html } from "../../ui.js";

/** @import { Canary, Observation } from "../../../types/api.d.ts" */
/** @import { Outcome } from "../../components/verdict.js" */

/** @param {string} device As the API names whom the canary plays. */
function player(device) {
  if (device === "(new device)") return say("canary.newcomer");
  if (device === "(blocked)") return say("canary.blocked_device");
  return say("canary.device_of", { exit: exitName(device) });
}

/** @param {Observation} seen @returns {Outcome} */
function outcomeOf(seen) {
  if (seen.leaked) return "leak";
  return seen.problem || seen.missed ? "unclear" : "proven";
}

/** @param {Observation} seen */
function sentenceOf(seen) {
  if (seen.leaked) return say("canary.leaked", { count: seen.leaked });
  if (seen.problem || seen.missed) return say("canary.unclear");
  return say(seen.connected ? "canary.inside" : "canary.kept_in");
}

/** @param {{ seen: Observation }} props */
function Round({ seen }) {
  const outcome = isStale() ? "idle" : outcomeOf(seen);
  return html`<li class="row round" data-state=${outcome}>
    <details class="grow">
      <summary>${player(seen.device)}</summary>
      <${EvidenceTable} evidence=${seen.evidence} />
    </details>
    <p class="hint">${sentenceOf(seen)} · ${ago(seen.time, now.value, locale.value)}</p>
    ${seen.problem && html`<p class="hint" lang="en">${sentence(seen.problem)}</p>`}
  </li>`;
}

/** @param {{ found: Canary }} props */
function Found({ found }) {
  return html`<dl class="facts">
      <div><dt>${say("canary.rounds")}</dt><dd>${found.rounds.toLocaleString(locale.value)}</dd></div>
      <div><dt>${say("canary.probes")}</dt><dd>${found.probes.toLocaleString(locale.value)}</dd></div>
      <div><dt>${say("canary.leaks")}</dt><dd>${found.leaked.toLocaleString(locale.value)}</dd></div>
    </dl>
    ${
      found.problem &&
      html`<p class="hint warning"><${Icon} icon="triangle-alert" /><span>${say("canary.problem")} <span lang="en">${sentence(found.problem)}</span></span></p>`
    }
    <ul class="rows">${found.latest.map((each) => html`<${Round} key=${each.device} seen=${each} />`)}</ul>`;
}

export function CanaryRounds() {
  const found = canary.value;
  if (!found) return null;
  return html`<section class="card canary" aria-labelledby="canary">
    <h2 id="canary">${say("canary.title")}</h2>
    <p class="hint">${found.enabled ? say("canary.what", { time: span(found.interval, locale.value) }) : say("canary.off")}</p>
    ${found.enabled && html`<${Found} found=${found} />`}
  </section>`;
}
