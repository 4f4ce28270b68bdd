/** The list of servers as it is searched and shown (pure): thousands of them, so that each is prepared once. */

import { countryIn } from "./countries.js";
import { fastestIn } from "./target.js";

/** @import { ServerBody, ServersBody } from "../../types/api.d.ts" */
/** @typedef {{ server: ServerBody; country: string; city: string; countryName: string; text: string }} Placed */
/** @typedef {"name" | "latency" | "load"} Order */
/** @typedef {{ owned: boolean; features: ReadonlySet<string> }} Filter */
/**
 * One row: the fastest or any server of a place, a title, a country or city, or a server.
 *
 * @typedef {{ kind: "any"; key: string; how: "fastest" | "random"; target: string; place: string | null; best: Placed | null }
 *   | { kind: "title"; key: string; of: "favourites" | "recent" | "all" }
 *   | { kind: "place"; key: string; name: string; count: number; target: string | null; open: boolean; fixed: boolean; deep: boolean }
 *   | { kind: "server"; key: string; placed: Placed; deep: boolean }} Item
 */

export const NOWHERE = "Unknown"; // the API's name for a place that nobody gave
const FEW = 12; // servers that need no opening of countries

/** @param {string} text Without case and accents, so that "malmo" finds "Malmö". */
export const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/**
 * @param {ServersBody["servers"]} groups
 * @param {string} language
 * @returns {Placed[]}
 */
export function placedOf(groups, language) {
  return Object.entries(groups).flatMap(([country, cities]) => {
    const code = Object.values(cities)[0]?.[0]?.country_code ?? null;
    const countryName = countryIn(country, language, code);
    return Object.entries(cities).flatMap(([city, servers]) =>
      servers.map((server) => {
        const { hostname, hosted_by, ipv4, endpoint } = server;
        const text = folded([hostname, city, country, countryName, hosted_by, ipv4, endpoint].join(" "));
        return { server, country, city, countryName, text };
      }),
    );
  });
}

/**
 * @param {Placed[]} all
 * @param {string} search
 * @param {Filter} filter
 */
export function found(all, search, { owned, features }) {
  const words = folded(search).split(/\s+/).filter(Boolean);
  return all.filter(
    ({ server, text }) =>
      words.every((word) => text.includes(word)) &&
      (!owned || server.owned) &&
      [...features].every((each) => server.features.includes(each)),
  );
}

/**
 * @param {Order} order
 * @returns {(a: Placed, b: Placed) => number} The unknown comes last.
 */
const by = (order) => (a, b) => {
  if (order === "name") return 0;
  return (a.server[order] ?? Number.POSITIVE_INFINITY) - (b.server[order] ?? Number.POSITIVE_INFINITY);
};

/** @param {Placed[]} servers The one with the least measured latency; null where none was measured. */
export const quickest = (servers) =>
  servers.reduce(
    (/** @type {Placed | null} */ best, each) =>
      each.server.latency !== null && each.server.latency < (best?.server.latency ?? Number.POSITIVE_INFINITY)
        ? each
        : best,
    null,
  );

/**
 * The place that all servers are in: a country, or a city of it; null where there are several.
 *
 * @param {Placed[]} servers
 */
export function commonPlace(servers) {
  const [first] = servers;
  if (!first || first.country === NOWHERE || servers.some((each) => each.country !== first.country)) return null;
  const oneCity = first.city !== NOWHERE && servers.every((each) => each.city === first.city);
  return { country: first.country, countryName: first.countryName, city: oneCity ? first.city : null };
}

/**
 * @template T
 * @param {T[]} all
 * @param {(each: T) => string} key
 * @returns {[string, T[]][]}
 */
function grouped(all, key) {
  /** @type {Map<string, T[]>} */
  const groups = new Map();
  for (const each of all) {
    const group = groups.get(key(each));
    if (group) group.push(each);
    else groups.set(key(each), [each]);
  }
  return [...groups];
}

/** @param {Placed[]} all How many servers each country and city has. */
export function totalsOf(all) {
  /** @type {Map<string, number>} */
  const totals = new Map();
  for (const { country, city } of all)
    for (const key of [country, `${country}/${city}`]) totals.set(key, (totals.get(key) ?? 0) + 1);
  return totals;
}

/**
 * The rows of the servers: by country and city, or all in the order asked for. A place of which only some servers are
 * shown cannot be chosen as a whole, because the gateway would choose among all of it.
 *
 * @param {Placed[]} servers
 * @param {{
 *   order: Order;
 *   open: ReadonlySet<string>;
 *   searching: boolean;
 *   language: string;
 *   totals: ReadonlyMap<string, number>;
 * }} shown
 * @returns {Item[]}
 */
export function itemsOf(servers, { order, open, searching, language, totals }) {
  const few = servers.length <= FEW;
  const place = (
    /** @type {Omit<Item & { kind: "place" }, "kind" | "target" | "fixed">} */ row,
    /** @type {string} */ target,
  ) => {
    /** @type {Item} */
    const item = {
      kind: "place",
      ...row,
      fixed: searching || few,
      target: row.count === totals.get(row.key) ? target : null,
    };
    return item;
  };
  if (order !== "name") return [...servers].sort(by(order)).map((placed) => serverItem(placed, false));
  /** @type {(country: string) => boolean} */
  const isOpen = (key) => searching || few || open.has(key);
  const countries = grouped(servers, (each) => each.country).sort(([, [a]], [, [b]]) =>
    (a?.countryName ?? "").localeCompare(b?.countryName ?? "", language),
  );
  return countries.flatMap(([country, inCountry]) => {
    if (country === NOWHERE) return inCountry.map((placed) => serverItem(placed, false));
    const cities = grouped(inCountry, (each) => each.city);
    const name = inCountry[0]?.countryName ?? country;
    const head = place(
      { key: country, name, count: inCountry.length, open: isOpen(country), deep: false },
      fastestIn(country),
    );
    if (!isOpen(country)) return [head];
    if (totals.get(`${country}/${cities[0]?.[0]}`) === totals.get(country))
      return [head, ...inCountry.map((placed) => serverItem(placed, true))];
    return [
      head,
      ...cities.flatMap(([city, inCity]) => {
        if (city === NOWHERE) return inCity.map((placed) => serverItem(placed, true));
        const key = `${country}/${city}`;
        const row = place(
          { key, name: city, count: inCity.length, open: isOpen(key), deep: true },
          fastestIn(country, city),
        );
        return isOpen(key) ? [row, ...inCity.map((placed) => serverItem(placed, true))] : [row];
      }),
    ];
  });
}

/**
 * @param {Placed} placed
 * @param {boolean} deep
 * @param {string} [group] Where the same server is in several groups, which one this is.
 * @returns {Item & { kind: "server" }}
 */
export const serverItem = (placed, deep, group = "") => ({
  kind: "server",
  key: `${group}server ${placed.server.hostname}`,
  placed,
  deep,
});
