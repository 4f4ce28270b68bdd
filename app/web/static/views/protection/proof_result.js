/** What the proof has found: its verdict, each check, the evidence, and the whole as a file to keep. */

import { Button } from "../../components/button.js";
import { EvidenceTable } from "../../components/evidence_table.js";
import { Icon } from "../../components/icon.js";
import { Verdict } from "../../components/verdict.js";
import { downloadText } from "../../lib/download.js";
import { moment } from "../../lib/time.js";
import { say, sayCode } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { exitName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { html } from "../../ui.js";
import { checkText, proofFile, verdictOf } from "./proof_words.js";

/** @import { Check } from "../../../types/api.d.ts" */
/** @import { Found } from "./run_proof.js" */

/** @type {Record<Check["result"], { icon: string }>} */
const RESULTS = {
  ok: { icon: "check" },
  failed: { icon: "x" },
  unknown: { icon: "circle-question-mark" },
};

/** @param {{ check: Check }} props */
function Row({ check }) {
  const text = checkText(check);
  return html`<li class="row check" data-result=${check.result}>
    <${Icon} icon=${RESULTS[check.result].icon} />
    <div class="grow">
      <p class="row-title">
        ${sayCode("check", check.name) ?? say("check.other")}<span class="visually-hidden">: ${say(`result.${check.result}`)}</span>
      </p>
      <p class="hint">${text ?? html`<span lang="en">${check.message}</span>`}</p>
      ${text && check.result !== "ok" && html`<p class="hint" lang="en">${check.message}</p>`}
    </div>
  </li>`;
}

/** @param {{ found: Found }} props */
export function ProofResult({ found }) {
  const { answer, exit, time } = found;
  const verdict = verdictOf(answer);
  const name = `proof-${new Date(time * 1000).toISOString().slice(0, 19).replaceAll(":", "-")}.txt`;
  return html`<div class="proof-result">
    <${Verdict} ...${verdict} level=${3} />
    <p class="hint">${say("run.when", { exit: exitName(exit), time: moment(time, now.value, locale.value) })}</p>
    <ul class="rows">${answer.checks.map((each) => html`<${Row} key=${each.name} check=${each} />`)}</ul>
    ${
      answer.evidence.length > 0 &&
      html`<details open=${verdict.outcome === "leak"}>
        <summary>${say("evidence.title")}</summary>
        <${EvidenceTable} evidence=${answer.evidence} />
      </details>`
    }
    <div class="actions">
      <${Button} icon="download" action=${() => downloadText(name, proofFile(found))}>${say("run.keep")}<//>
    </div>
  </div>`;
}
