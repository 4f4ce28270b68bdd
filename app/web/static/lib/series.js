/** A series of traffic as rates to draw (pure). */

/** @import { Point } from "../../types/api.d.ts" */
/** @typedef {{ times: number[]; down: (number | null)[]; up: (number | null)[] }} Rates bytes a second */

/**
 * The mean rates of each `size` points; null where nothing was counted.
 *
 * @param {Point[]} points
 * @param {number} seconds of a point
 * @param {number} size
 * @returns {Rates}
 */
export function ratesOf(points, seconds, size) {
  const groups = Array.from({ length: Math.ceil(points.length / size) }, (_, n) =>
    points.slice(n * size, (n + 1) * size),
  );
  const mean = (/** @type {Point[]} */ group, /** @type {"up" | "down"} */ way) => {
    const counted = group.filter((each) => each[way] !== null);
    const sum = counted.reduce((total, each) => total + (each[way] ?? 0), 0);
    return counted.length ? sum / (counted.length * seconds) : null;
  };
  return {
    times: groups.map(([first]) => first?.time ?? 0),
    down: groups.map((group) => mean(group, "down")),
    up: groups.map((group) => mean(group, "up")),
  };
}
