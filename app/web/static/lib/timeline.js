/** The states of an exit over time, out of its transitions (pure). */

/** @import { Transition } from "../../types/api.d.ts" */
/** @typedef {{ state: string; from: number; to: number }} Span Unix times. */

/**
 * The spans from `start` to `end`, the oldest first, without a gap.
 *
 * @param {Transition[]} transitions Of one exit in that time, the newest first.
 * @param {number} start
 * @param {number} end
 * @param {string} present Its state now, which is that of the whole time where there is no transition.
 * @returns {Span[]}
 */
export function spansOf(transitions, start, end, present) {
  const ordered = [...transitions].reverse();
  const times = [start, ...ordered.map((each) => Math.max(start, each.time)), end];
  const states = [ordered[0]?.before ?? present, ...ordered.map((each) => each.after)];
  return states
    .map((state, index) => ({ state, from: times[index] ?? start, to: times[index + 1] ?? end }))
    .filter((span) => span.to > span.from);
}

/**
 * The share of the time in which it was connected, 0 to 1, and how often the tunnel was lost.
 *
 * @param {Span[]} spans
 */
export function sumOf(spans) {
  const whole = spans.reduce((sum, each) => sum + each.to - each.from, 0);
  const connected = spans.filter((each) => each.state === "connected");
  const time = connected.reduce((sum, each) => sum + each.to - each.from, 0);
  const lost = spans.filter(
    ({ state }, index) => spans[index - 1]?.state === "connected" && (state === "blocked" || state === "connecting"),
  );
  return { share: whole ? time / whole : 0, lost: lost.length };
}
