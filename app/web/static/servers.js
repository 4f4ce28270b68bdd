/** The server list: by country and city, searchable, for the current provider. */

import * as account from "./account.js";
import { call, codeOf, get, messageOf, post } from "./api.js";
import { sure } from "./confirm.js";
import { $, h, icon, whileBusy } from "./dom.js";
import { plural } from "./format.js";
import * as status from "./status.js";
import { failed, toast } from "./toast.js";

/** @import { ProvidersBody, ServerBody, ServersBody, StatusBody } from "../types/api.d.ts" */
/** @typedef {{ country: string; city: string; server: ServerBody }} Placed */

const OPEN_UP_TO = 12; // servers: so few are shown without a click
const RESULTS = 100; // rows that a search shows

/** @type {Record<string, string>} */
const NAMES = {
  mullvad: "Mullvad",
  ivpn: "IVPN",
  nordvpn: "NordVPN",
  azirevpn: "AzireVPN",
  surfshark: "Surfshark",
  pia: "PIA",
  custom: "Custom",
  imported: "Imported",
};
const OWN = new Set(["custom", "imported"]);

let provider = ""; // whose list is shown
/** @type {ServersBody["servers"]} by country and city */
let groups = {};
/** @type {Placed[]} */
let flat = [];
let usable = true; // whether there is nothing to sign in to first
let onlyFavourites = false;
/** @type {string[] | null} host names, the latest first, while only these are shown */
let recent = null;
let shownFor = ""; // what the rows' buttons depend on

export function setUp() {
  const search = $("search", HTMLInputElement);
  search.addEventListener("input", render);
  window.addEventListener("servers-changed", () => load());
  const [fastest, random] = [$("choose-fastest", HTMLButtonElement), $("choose-random", HTMLButtonElement)];
  fastest.addEventListener("click", () => choose("fastest", fastest));
  random.addEventListener("click", () => choose("random", random));
  const [favourites, lastOnes] = [$("only-favourites"), $("only-recent")];
  favourites.addEventListener("click", () => {
    onlyFavourites = !onlyFavourites;
    favourites.setAttribute("aria-pressed", String(onlyFavourites));
    render();
  });
  lastOnes.addEventListener("click", async () => {
    recent = recent ? null : await lately();
    lastOnes.setAttribute("aria-pressed", String(recent !== null));
    render();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      search.value = "";
      render();
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, dialog");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    }
  });
}

export function focus() {
  $("servers").scrollIntoView({ behavior: "smooth" });
  $("search").focus({ preventScroll: true });
}

export async function load() {
  try {
    renderProviders(await get("/api/providers"));
    const answer = await get("/api/servers");
    usable = await account.load(answer.provider);
    provider = answer.provider;
    groups = answer.servers;
    flat = Object.entries(groups).flatMap(([country, cities]) =>
      Object.entries(cities).flatMap(([city, servers]) => servers.map((server) => ({ country, city, server }))),
    );
    if (recent) recent = await lately();
    render();
  } catch (error) {
    flat = [];
    $("list").replaceChildren(h("p", { class: "empty" }, messageOf(error)));
  }
}

/**
 * The rows show which server is in use: draw them again when that changed.
 *
 * @param {StatusBody} body
 */
export function follow(body) {
  const now = `${body.state} ${body.server} ${body.target} ${body.switching_to}`;
  if (now === shownFor) return;
  shownFor = now;
  if (provider) render();
  if (recent) again();
}

/** Host names of the provider's servers that were connected to, the latest first. */
async function lately() {
  try {
    const prefix = `${provider}/`;
    const settings = await get("/api/settings");
    return settings.recent.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  } catch (error) {
    failed(error);
    return recent;
  }
}

async function again() {
  const now = await lately();
  if (recent === null) return; // not wanted any more
  recent = now;
  render();
}

/**
 * @param {{ hostname: string; provider: string }} server
 * @param {HTMLButtonElement} button
 */
export async function connect({ hostname, provider: of }, button) {
  await whileBusy(button, async () => {
    try {
      await post("/api/connect", { server: hostname, provider: of });
      if (recent) await again();
    } catch (error) {
      if (codeOf(error) === "not_found") status.forget(hostname);
      if (codeOf(error) === "not_signed_in") account.focus();
      failed(error);
    }
  });
}

/**
 * Whatever the gateway finds best, or any; within the country that the search names.
 *
 * @param {"fastest" | "random"} how
 * @param {HTMLButtonElement} button
 */
async function choose(how, button) {
  const text = $("search", HTMLInputElement).value.trim().toLowerCase();
  const place = text && Object.keys(groups).find((country) => country.toLowerCase() === text);
  await connect({ hostname: place ? `${how}:${place}` : how, provider }, button);
}

/**
 * @param {ServerBody} server
 * @param {HTMLButtonElement} button
 */
async function favour(server, button) {
  const wanted = !server.favourite;
  button.disabled = true;
  try {
    await call(
      wanted ? "PUT" : "DELETE",
      `/api/favourites/${encodeURIComponent(provider)}/${encodeURIComponent(server.hostname)}`,
    );
    server.favourite = wanted;
    button.setAttribute("aria-pressed", String(wanted));
    button.textContent = star(server);
  } catch (error) {
    failed(error);
  }
  button.disabled = false;
}

/**
 * @param {string} name
 * @param {HTMLButtonElement} button
 */
async function select(name, button) {
  await whileBusy(button, () => post(`/api/provider/${encodeURIComponent(name)}`).then(load, failed));
}

/**
 * Show the servers of `name`, which becomes the current provider.
 *
 * @param {string} name
 */
export async function showProvider(name) {
  if (name !== provider) await post(`/api/provider/${encodeURIComponent(name)}`);
  await load();
}

/** @param {ServerBody} server */
async function remove(server) {
  if (!(await sure(`Remove ${server.hostname}?`, "Its keys are deleted too. This cannot be undone."))) return;
  try {
    await call("DELETE", `/api/custom/remove/${encodeURIComponent(server.hostname)}`);
    status.forget(server.hostname);
    toast(`${server.hostname} was removed`);
  } catch (error) {
    failed(error);
  }
}

/** @param {ProvidersBody} answer */
function renderProviders({ providers, current }) {
  $("providers").replaceChildren(
    ...providers.map((name) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(name === current),
          onclick: (e) => name !== provider && select(name, e.currentTarget),
        },
        NAMES[name] ?? name,
      ),
    ),
  );
}

function render() {
  const words = $("search", HTMLInputElement).value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = $("list");
  $("choices").hidden = !usable || flat.length < 2;
  if (words.length || onlyFavourites || recent) {
    const hits = among().filter(({ country, city, server }) => {
      if (onlyFavourites && !server.favourite) return false;
      const text =
        `${country} ${city} ${server.hostname} ${server.ipv4 ?? ""} ${server.endpoint ?? ""} ${server.features.join(" ")}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    $("found").textContent = `${plural(hits.length, "server")} found`;
    list.replaceChildren(
      h("ul", {}, ...hits.slice(0, RESULTS).map(({ country, city, server }) => row(server, where(country, city)))),
      hits.length > RESULTS
        ? h("p", { class: "empty" }, `${plural(hits.length - RESULTS, "more server")}: type more to narrow it down`)
        : "",
      hits.length
        ? ""
        : h(
            "p",
            { class: "empty" },
            words.length
              ? "No server matches."
              : recent
                ? "No server was connected to yet."
                : "No favourites yet: mark a server with its star.",
          ),
    );
    return;
  }
  $("found").textContent = "";
  if (!flat.length) {
    const text = OWN.has(provider)
      ? "No servers yet. Add one on this page."
      : usable
        ? "This provider has no servers to show yet."
        : "Servers show here once you have signed in.";
    list.replaceChildren(h("p", { class: "empty" }, text));
    return;
  }
  const open = new Set(
    [...list.querySelectorAll("details")].filter((element) => element.open).map((element) => element.dataset.country),
  );
  list.replaceChildren(...Object.entries(groups).map(([country, cities]) => section(country, cities, open)));
}

/** What a search looks through: all servers, or those of late in their order. */
function among() {
  if (!recent) return flat;
  const place = new Map(recent.map((name, index) => [name, index]));
  return flat
    .filter(({ server }) => place.has(server.hostname))
    .sort((a, b) => (place.get(a.server.hostname) ?? 0) - (place.get(b.server.hostname) ?? 0));
}

/**
 * @param {string} country
 * @param {Record<string, ServerBody[]>} cities
 * @param {Set<string | undefined>} open the countries that are open now
 */
function section(country, cities, open) {
  const servers = Object.values(cities).flat();
  const details = h(
    "details",
    { class: "country", "data-country": country },
    h("summary", {}, named(country), h("span", { class: "count" }, plural(servers.length, "server"))),
  );
  const fill = () => {
    if (details.childElementCount > 1) return;
    for (const [city, its] of Object.entries(cities)) {
      if (city !== "Unknown") details.append(h("h3", { class: "city" }, city));
      details.append(h("ul", {}, ...its.map((server) => row(server))));
    }
  };
  // Rows of a closed country are not made before it is opened: lists may have thousands.
  details.addEventListener("toggle", fill);
  if (open.has(country) || flat.length <= OPEN_UP_TO || servers.some(inUse)) {
    details.open = true;
    fill();
  }
  return details;
}

/**
 * @param {ServerBody} server
 * @param {string} [place]
 */
function row(server, place = "") {
  const used = inUse(server);
  const details = [place, server.ipv4 ?? server.endpoint, ...figures(server)].filter(Boolean).join(" · ");
  return h(
    "li",
    { class: "server", "aria-current": used ? "true" : null },
    h(
      "div",
      { class: "who" },
      h("div", { class: "name" }, server.hostname),
      details ? h("div", { class: "sub" }, details) : null,
      server.missing.length
        ? h("div", { class: "sub warning" }, `Still needs ${server.missing.join(", ").replaceAll("_", " ")}`)
        : null,
      server.warnings.length ? notes(server.warnings) : null,
    ),
    h(
      "button",
      {
        class: "icon-button star",
        type: "button",
        "aria-pressed": String(server.favourite),
        "aria-label": `${server.hostname} is a favourite`,
        onclick: (event) => favour(server, event.currentTarget),
      },
      star(server),
    ),
    used ? h("span", { class: "badge" }, "Connected") : connectButton(server),
    OWN.has(provider) && !used
      ? h(
          "button",
          {
            class: "icon-button",
            type: "button",
            "aria-label": `Remove ${server.hostname}`,
            onclick: () => remove(server),
          },
          icon("trash"),
        )
      : null,
  );
}

/** @param {ServerBody} server */
const star = (server) => (server.favourite ? "★" : "☆");

/**
 * What was measured here and what the provider tells.
 *
 * @param {ServerBody} server
 */
const figures = ({ latency, load }) => [
  latency === null ? null : `${Math.round(latency)} ms`,
  load === null ? null : `${Math.round(load)} % busy`,
];

/** @param {string[]} warnings */
const notes = (warnings) =>
  h(
    "details",
    { class: "notes" },
    h("summary", {}, plural(warnings.length, "note")),
    h("ul", {}, ...warnings.map((warning) => h("li", {}, warning))),
  );

/** @param {ServerBody} server */
function connectButton(server) {
  const verb = status.current()?.connected ? "Switch" : "Connect";
  return h(
    "button",
    {
      class: "button small",
      type: "button",
      "aria-label": `${verb} to ${server.hostname}`,
      disabled: server.missing.length > 0,
      onclick: (event) => connect({ hostname: server.hostname, provider }, event.currentTarget),
    },
    verb,
  );
}

/** @param {ServerBody} server */
const inUse = (server) => {
  const now = status.current();
  return Boolean(now?.connected && now.server === server.hostname && now.provider === provider);
};
/** @param {string} country */
const named = (country) => (country === "Unknown" ? "No location given" : country);
/**
 * @param {string} country
 * @param {string} city
 */
const where = (country, city) => [city, country].filter((name) => name !== "Unknown").join(", ");
