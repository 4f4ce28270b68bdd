/** What an exit is asked to use, as the API writes it: a server, a place, "fastest", "random:Sweden" (pure). */

/**
 * @param {string} target
 * @returns {{ how: "fastest" | "random" | "named"; place: string | null }}
 */
export function parsed(target) {
  const [how = "", ...place] = target.split(":");
  if (how !== "fastest" && how !== "random") return { how: "named", place: target };
  return { how, place: place.join(":") || null };
}

/**
 * The fastest server of a place.
 *
 * @param {string} country
 * @param {string} [city]
 */
export const fastestIn = (country, city) => `fastest:${city ? `${city}, ` : ""}${country}`;
