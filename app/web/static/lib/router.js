/** The page's addresses: which view one shows, and its parts (pure). */

/** @typedef {{ place: "home" | "devices" | "exits" | "protection" | "settings" | "servers" | "welcome"; part: string | null }} Route */

const PLACES = new Set(["devices", "exits", "protection", "settings", "servers", "welcome"]);

/**
 * @param {string} path
 * @returns {Route}
 */
export function routeOf(path) {
  const [, place = "", part = null] = path.split("/");
  if (!PLACES.has(place)) return { place: "home", part: null };
  return { place: /** @type {Route["place"]} */ (place), part: part && decodeURIComponent(part) };
}
