/** The proof in words: its verdict, its checks, and the text of the file. */

import { isLeak } from "../../lib/evidence.js";
import { say, sayCode } from "../../messages/messages.js";

/** @import { Check, LeakTestAnswer } from "../../../types/api.d.ts" */
/** @import { Outcome } from "../../components/verdict.js" */
/** @import { Found } from "./run_proof.js" */

/** @param {Check} check The sentence for its result; null where only the gateway's own words tell what it found. */
export const checkText = (check) => sayCode("checked", `${check.name}_${check.result}`);

/**
 * @param {LeakTestAnswer} answer
 * @returns {{ outcome: Outcome; title: string; text: string }}
 */
export function verdictOf({ ok, checks, evidence }) {
  if (evidence.some(isLeak)) return { outcome: "leak", title: say("verdict.leak"), text: say("verdict.leak_text") };
  if (!ok) return { outcome: "leak", title: say("verdict.failed"), text: say("verdict.failed_text") };
  const sure = evidence.length > 0 && checks.every((each) => each.name !== "packets" || each.result === "ok");
  if (!sure) return { outcome: "unclear", title: say("verdict.unclear"), text: say("verdict.unclear_text") };
  return { outcome: "proven", title: say("verdict.proven"), text: say("verdict.proven_text") };
}

/** @param {Found} found */
export function proofFile({ answer, exit, time }) {
  const verdict = verdictOf(answer);
  const line = (/** @type {Check} */ check) =>
    `${check.result.toUpperCase().padEnd(9)}${sayCode("check", check.name) ?? check.name}: ${check.message}`;
  return [
    say("verdict.file", { exit, time: new Date(time * 1000).toISOString() }),
    `${verdict.title} ${verdict.text}`,
    "",
    ...answer.checks.map(line),
    "",
    answer.report ?? "",
  ].join("\n");
}
