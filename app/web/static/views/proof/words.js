/** What a proof from this browser has shown, in words: its verdict, what limits it, and a text to keep. */

import { sentence } from "../../api/errors.js";
import { outside, probeName, sight } from "../../components/evidence_table.js";
import { hasArrived } from "../../lib/evidence.js";
import { say } from "../../messages/messages.js";

/** @import { Proof } from "../../../types/api.d.ts" */
/** @import { Outcome } from "../../components/verdict.js" */
/** @typedef {{ outcome: Outcome; title: string; text: string }} Verdict */

/**
 * @param {Proof} proof
 * @returns {Verdict}
 */
export function verdictOf(proof) {
  const count = proof.evidence.length;
  const arrived = proof.evidence.filter(hasArrived).length;
  const inside = proof.evidence.filter((each) => each.seen_in_tunnel).length;
  const leaks = proof.evidence.filter((each) => outside(each)).length;
  if (leaks) return { outcome: "leak", title: say("proof.leak"), text: say("proof.leak_text", { leaks, count }) };
  if (proof.problem) return { outcome: "unclear", title: say("proof.failed"), text: sentence(proof.problem) };
  if (!arrived) return { outcome: "unclear", title: say("proof.absent"), text: say("proof.absent_text") };
  const text = inside
    ? say("proof.inside", { arrived, count, inside })
    : say("proof.nothing_let_out", { arrived, count });
  return { outcome: "proven", title: say("proof.proven"), text };
}

/** @param {Proof} proof What limits the proof, or makes it sound. */
export function notes({ control, evidence }) {
  const found = [control === null ? say("note.no_tunnel") : say(control ? "note.control" : "note.no_control")];
  if (evidence.some((each) => each.kind === "name" && !hasArrived(each))) found.push(say("note.own_resolver"));
  if (evidence.some((each) => each.family === 6 && !each.seen_on_lan)) found.push(say("note.not_sent"));
  return found;
}

/**
 * @param {Proof} proof
 * @param {Verdict} verdict
 * @param {Date} time
 */
export function report(proof, verdict, time) {
  const line = (/** @type {string[]} */ [name = "", ...cells]) =>
    `${name.padEnd(54)}${cells.map((cell) => cell.padEnd(20)).join("")}`.trimEnd();
  return [
    say("proof.report", { time: time.toISOString() }),
    navigator.userAgent,
    "",
    line([say("evidence.sent"), say("evidence.lan"), say("evidence.tunnel"), say("evidence.wan")]),
    ...proof.evidence.map((each) =>
      line([probeName(each), sight(each.seen_on_lan), sight(each.seen_in_tunnel), sight(outside(each), "leak")]),
    ),
    "",
    verdict.title,
    verdict.text,
    ...notes(proof),
    "",
  ].join("\n");
}
