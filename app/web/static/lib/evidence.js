/** What evidence shows of a probe (pure). */

/** @import { Evidence } from "../../types/api.d.ts" */

/** @param {Evidence} each Whether it left in the clear, or by the tunnel of another exit. */
export const isLeak = (each) => Boolean(each.seen_on_wan || each.seen_in_other_tunnel);

/** @param {Evidence} each Whether the gateway has had it at all; if not, it proves nothing. */
export const hasArrived = (each) => Boolean(each.seen_on_lan || each.seen_in_tunnel);

/**
 * @param {boolean | null} seen
 * @param {"yes" | "leak"} word What it is where it was seen.
 * @returns {"unknown" | "none" | "yes" | "leak"}
 */
export function sightOf(seen, word = "yes") {
  if (seen === null) return "unknown";
  return seen ? word : "none";
}
