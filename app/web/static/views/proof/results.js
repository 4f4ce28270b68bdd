/** What the gateway has seen of this browser: a row a probe, what limits the proof, and the same as text. */

import { Button } from "../../components/button.js";
import { EvidenceTable } from "../../components/evidence_table.js";
import { downloadText } from "../../lib/download.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";
import { notes, report } from "./words.js";

/** @import { Proof } from "../../../types/api.d.ts" */
/** @import { Verdict } from "./words.js" */

/** @param {{ proof: Proof; verdict: Verdict; time: Date }} props */
export function Results({ proof, verdict, time }) {
  const text = report(proof, verdict, time);
  return html`<section id="results" class="card" aria-labelledby="results-title">
    <h2 id="results-title">${say("proof.seen")}</h2>
    <${EvidenceTable} evidence=${proof.evidence} id="rows" />
    <ul class="notes">${notes(proof).map((each) => html`<li key=${each}>${each}</li>`)}</ul>
    <details><summary>${say("proof.as_text")}</summary><pre id="report" tabindex="0">${text}</pre></details>
    <div class="actions">
      <${Button} icon="download" action=${() => downloadText(`proof-${time.toISOString().slice(0, 10)}.txt`, text)}>
        ${say("proof.keep")}
      <//>
    </div>
  </section>`;
}
