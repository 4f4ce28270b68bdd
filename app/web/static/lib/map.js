/** The map of the servers' cities (pure): degrees as they are, so that it needs no image of the world. */

/** @import { Placed } from "./servers.js" */
/** @typedef {{ key: string; name: string; x: number; y: number; count: number; used: boolean }} Spot */

const MARGIN = 0.08; // of what is shown
const LEAST = 12; // degrees across
const LINES = 30; // degrees between the lines of the grid

/**
 * @param {Placed[]} servers
 * @param {string | null} used
 * @returns {Spot[]}
 */
export function spotsOf(servers, used) {
  /** @type {Map<string, Spot>} */
  const spots = new Map();
  for (const { server, city, country, countryName } of servers) {
    if (server.latitude === null || server.longitude === null) continue;
    const key = `${country}/${city}`;
    const spot = spots.get(key) ?? {
      key,
      name: `${city} ${countryName}`,
      x: server.longitude,
      y: -server.latitude,
      count: 0,
      used: false,
    };
    spots.set(key, { ...spot, count: spot.count + 1, used: spot.used || server.hostname === used });
  }
  return [...spots.values()];
}

/**
 * What of the world holds all spots, in the map's shape.
 *
 * @param {Spot[]} spots
 * @param {number} ratio Of its width to its height.
 */
export function frameOf(spots, ratio) {
  const [xs, ys] = [spots.map(({ x }) => x), spots.map(({ y }) => y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const width = Math.max(LEAST, right - left, (bottom - top) * ratio) * (1 + 2 * MARGIN);
  const height = width / ratio;
  return { x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height };
}

/**
 * The lines of the grid within a frame, as the path of an SVG.
 *
 * @param {{ x: number; y: number; width: number; height: number }} frame
 */
export function gridOf({ x, y, width, height }) {
  const steps = (/** @type {number} */ from, /** @type {number} */ length) => {
    const first = Math.ceil(from / LINES) * LINES;
    return Array.from(
      { length: Math.max(0, Math.floor((from + length - first) / LINES) + 1) },
      (_, n) => first + n * LINES,
    );
  };
  const meridians = steps(x, width).map((each) => `M${each} ${y}v${height}`);
  return [...meridians, ...steps(y, height).map((each) => `M${x} ${each}h${width}`)].join("");
}
