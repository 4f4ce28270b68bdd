/** The fourth step: a proof by real packets that nothing leaves in the clear. */

import { post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { html, useSignal } from "../../ui.js";
import { Step } from "./step.js";

/** @import { LeakTestAnswer } from "../../../types/api.d.ts" */

/** @param {LeakTestAnswer} answer What was seen, as a verdict and a sentence. */
function wordsOf({ ok, checks, evidence }) {
  const count = evidence.length;
  const tunnel = evidence.filter((each) => each.seen_in_tunnel).length;
  if (evidence.some((each) => each.seen_on_wan || each.seen_in_other_tunnel)) {
    return { verdict: "leak", text: say("first.proof_leak"), more: say("first.proof_leak_next") };
  }
  if (!ok) return { verdict: "leak", text: say("first.proof_failed"), more: say("first.proof_failed_next") };
  if (!count || checks.some((each) => each.result === "unknown")) {
    return { verdict: "unclear", text: say("first.proof_unclear"), more: say("first.proof_unclear_next") };
  }
  return { verdict: "proven", text: say("first.proof_ok"), more: say("first.proof_seen", { count, tunnel }) };
}

export function ProofStep() {
  const answer = useSignal(/** @type {LeakTestAnswer | null} */ (null));
  async function run() {
    answer.value = null;
    answer.value = await post("/api/leak-test", undefined);
  }
  const found = answer.value && wordsOf(answer.value);
  return html`<${Step} step="proof" title=${say("first.proof_title")} what=${say("first.proof_what")} done=${found?.verdict === "proven"}>
    <div class="actions">
      <${Button} kind=${found ? "plain" : "primary"} icon="shield-check" action=${run}>${say("first.proof_run")}<//>
    </div>
    <div role="status">
      ${
        found &&
        html`<div class="proof-answer" data-verdict=${found.verdict}>
          <p class="settled"><${Icon} icon=${found.verdict === "proven" ? "shield-check" : "shield-alert"} /><strong>${found.text}</strong></p>
          <p>${found.more}</p>
        </div>`
      }
    </div>
    <p><a href="/proof">${say("place.proof")}</a></p>
  <//>`;
}
