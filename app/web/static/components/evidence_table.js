/** Where each probe was seen: in the network, in the tunnel, and outside, which is a leak. */

import { isLeak, sightOf } from "../lib/evidence.js";
import { say, sayCode } from "../messages/messages.js";
import { html } from "../ui.js";

/** @import { Evidence } from "../../types/api.d.ts" */

/** @param {Evidence} each */
export function probeName(each) {
  const probe = sayCode("probe", each.kind) ?? each.kind;
  return each.kind === "name" ? probe : say("evidence.probe", { probe, family: String(each.family) });
}

/**
 * @param {boolean | null} seen
 * @param {"yes" | "leak"} [word]
 */
export const sight = (seen, word) => say(`sight.${sightOf(seen, word)}`);

/** @param {{ label: string; seen: boolean | null; word?: "yes" | "leak" }} props The label is shown on a narrow page. */
const Cell = ({ label, seen, word }) =>
  html`<td role="cell" data-label=${label} data-seen=${sightOf(seen, word)}>${sight(seen, word)}</td>`;

/** @param {Evidence} each Outside, or in another exit's tunnel: each is a leak. */
export const outside = (each) => (isLeak(each) ? true : each.seen_on_wan);

/** @param {{ evidence: Evidence[]; id?: string }} props The roles stay where the style sheet makes a grid of the table. */
export function EvidenceTable({ evidence, id }) {
  const [sent, lan, tunnel, wan] = [
    say("evidence.sent"),
    say("evidence.lan"),
    say("evidence.tunnel"),
    say("evidence.wan"),
  ];
  return html`<table class="evidence" role="table" aria-label=${say("evidence.title")}>
    <thead role="rowgroup">
      <tr role="row">${[sent, lan, tunnel, wan].map((each) => html`<th key=${each} scope="col" role="columnheader">${each}</th>`)}</tr>
    </thead>
    <tbody id=${id} role="rowgroup">
      ${evidence.map(
        (each) =>
          html`<tr key=${`${each.kind} ${each.family}`} role="row">
            <th scope="row" role="rowheader">${probeName(each)}</th>
            <${Cell} label=${lan} seen=${each.seen_on_lan} />
            <${Cell} label=${tunnel} seen=${each.seen_in_tunnel} />
            <${Cell} label=${wan} seen=${outside(each)} word="leak" />
          </tr>`,
      )}
    </tbody>
  </table>`;
}
