/** The server list: by country and city, searchable, for the current provider. */

import * as account from "./account.js";
import { call, codeOf, get, messageOf, post } from "./api.js";
import { confirmed } from "./confirm.js";
import { $, h, icon, whileBusy } from "./dom.js";
import { plural } from "./format.js";
import * as status from "./status.js";
import { showError, toast } from "./toast.js";

/** @import { ProvidersBody, ServerBody, ServersBody, StatusBody } from "../types/api.d.ts" */
/** @typedef {{ country: string; city: string; server: ServerBody }} Placed */

const MAX_OPEN = 12; // servers that are shown without opening a country
const MAX_RESULTS = 100; // rows that a search shows

/** @type {Record<string, string>} */
const NAMES = {
  mullvad: "Mullvad",
  ivpn: "IVPN",
  nordvpn: "NordVPN",
  azirevpn: "AzireVPN",
  surfshark: "Surfshark",
  pia: "PIA",
  windscribe: "Windscribe",
  airvpn: "AirVPN",
  hideme: "hide.me",
  custom: "Custom",
  imported: "Imported",
};
const OWN = new Set(["custom", "imported"]);

let provider = ""; // whose list is shown
/** @type {ServersBody["servers"]} by country and city */
let groups = {};
/** @type {Placed[]} */
let all = [];
let signedIn = true; // or no sign-in is needed
let onlyFavourites = false;
/** @type {string[] | null} host names, latest first; null = all servers are shown */
let recent = null;
let renderedFor = ""; // the part of the status on which the rows' buttons depend

export function setUp() {
  const search = $("search", HTMLInputElement);
  search.addEventListener("input", render);
  window.addEventListener("servers-changed", () => load());
  const [fastest, random] = [$("choose-fastest", HTMLButtonElement), $("choose-random", HTMLButtonElement)];
  fastest.addEventListener("click", () => connectToAny("fastest", fastest));
  random.addEventListener("click", () => connectToAny("random", random));
  const [favouritesOnly, recentOnly] = [$("only-favourites"), $("only-recent")];
  favouritesOnly.addEventListener("click", () => {
    onlyFavourites = !onlyFavourites;
    favouritesOnly.setAttribute("aria-pressed", String(onlyFavourites));
    render();
  });
  recentOnly.addEventListener("click", async () => {
    recent = recent ? null : await recentNames();
    recentOnly.setAttribute("aria-pressed", String(recent !== null));
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
    signedIn = await account.load(answer.provider);
    provider = answer.provider;
    groups = answer.servers;
    all = Object.entries(groups).flatMap(([country, cities]) =>
      Object.entries(cities).flatMap(([city, servers]) => servers.map((server) => ({ country, city, server }))),
    );
    if (recent) recent = await recentNames();
    render();
  } catch (error) {
    all = [];
    $("list").replaceChildren(h("p", { class: "empty" }, messageOf(error)));
  }
}

/**
 * Draw the rows again when another server is in use.
 *
 * @param {StatusBody} body
 */
export function follow(body) {
  const now = `${body.state} ${body.server} ${body.target} ${body.switching_to}`;
  if (now === renderedFor) return;
  renderedFor = now;
  if (provider) render();
  if (recent) reloadRecent();
}

/** The host names of the provider's recent servers, latest first. */
async function recentNames() {
  try {
    const prefix = `${provider}/`;
    const settings = await get("/api/settings");
    return settings.recent.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  } catch (error) {
    showError(error);
    return recent;
  }
}

async function reloadRecent() {
  const now = await recentNames();
  if (recent === null) return; // the filter was switched off meanwhile
  recent = now;
  render();
}

/**
 * @param {{ hostname: string; provider: string }} server
 * @param {HTMLButtonElement} button
 */
export async function connect({ hostname, provider: serverProvider }, button) {
  await whileBusy(button, async () => {
    try {
      await post("/api/connect", { server: hostname, provider: serverProvider });
      if (recent) await reloadRecent();
    } catch (error) {
      if (codeOf(error) === "not_found") status.forget(hostname);
      if (codeOf(error) === "not_signed_in") account.focus();
      showError(error);
    }
  });
}

/**
 * Connect to the fastest server or a random one, within the country that is typed into the search.
 *
 * @param {"fastest" | "random"} how
 * @param {HTMLButtonElement} button
 */
async function connectToAny(how, button) {
  const text = $("search", HTMLInputElement).value.trim().toLowerCase();
  const place = text && Object.keys(groups).find((country) => country.toLowerCase() === text);
  await connect({ hostname: place ? `${how}:${place}` : how, provider }, button);
}

/**
 * @param {ServerBody} server
 * @param {HTMLButtonElement} button
 */
async function toggleFavourite(server, button) {
  const favourite = !server.favourite;
  button.disabled = true;
  try {
    await call(
      favourite ? "PUT" : "DELETE",
      `/api/favourites/${encodeURIComponent(provider)}/${encodeURIComponent(server.hostname)}`,
    );
    server.favourite = favourite;
    button.setAttribute("aria-pressed", String(favourite));
    button.textContent = star(server);
  } catch (error) {
    showError(error);
  }
  button.disabled = false;
}

/**
 * @param {string} name
 * @param {HTMLButtonElement} button
 */
async function select(name, button) {
  await whileBusy(button, () => post(`/api/provider/${encodeURIComponent(name)}`).then(load, showError));
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
  if (!(await confirmed(`Remove ${server.hostname}?`, "Its keys are deleted too. This cannot be undone."))) return;
  try {
    await call("DELETE", `/api/custom/remove/${encodeURIComponent(server.hostname)}`);
    status.forget(server.hostname);
    toast(`${server.hostname} was removed`);
  } catch (error) {
    showError(error);
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
  $("choices").hidden = !signedIn || all.length < 2;
  if (words.length || onlyFavourites || recent) {
    const matches = searched().filter(({ country, city, server }) => {
      if (onlyFavourites && !server.favourite) return false;
      const text =
        `${country} ${city} ${server.hostname} ${server.ipv4 ?? ""} ${server.endpoint ?? ""} ${server.features.join(" ")}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    $("found").textContent = `${plural(matches.length, "server")} found`;
    list.replaceChildren(
      h(
        "ul",
        {},
        ...matches.slice(0, MAX_RESULTS).map(({ country, city, server }) => row(server, placeText(country, city))),
      ),
      matches.length > MAX_RESULTS
        ? h(
            "p",
            { class: "empty" },
            `${plural(matches.length - MAX_RESULTS, "more server")}: type more to narrow the search`,
          )
        : "",
      matches.length
        ? ""
        : h(
            "p",
            { class: "empty" },
            words.length
              ? "No server matches."
              : recent
                ? "No recent servers yet."
                : "No favourites yet: mark a server with its star.",
          ),
    );
    return;
  }
  $("found").textContent = "";
  if (!all.length) {
    const text = OWN.has(provider)
      ? "No servers yet. Add one on this page."
      : signedIn
        ? "This provider has no servers yet."
        : "Servers appear here once you have signed in.";
    list.replaceChildren(h("p", { class: "empty" }, text));
    return;
  }
  const open = new Set(
    [...list.querySelectorAll("details")].filter((element) => element.open).map((element) => element.dataset.country),
  );
  list.replaceChildren(...Object.entries(groups).map(([country, cities]) => section(country, cities, open)));
}

/** The servers that a search looks through: all, or the recent ones in their order. */
function searched() {
  if (!recent) return all;
  const place = new Map(recent.map((name, index) => [name, index]));
  return all
    .filter(({ server }) => place.has(server.hostname))
    .sort((a, b) => (place.get(a.server.hostname) ?? 0) - (place.get(b.server.hostname) ?? 0));
}

/**
 * @param {string} country
 * @param {Record<string, ServerBody[]>} cities
 * @param {Set<string | undefined>} open the open countries
 */
function section(country, cities, open) {
  const servers = Object.values(cities).flat();
  const details = h(
    "details",
    { class: "country", "data-country": country },
    h("summary", {}, countryName(country), h("span", { class: "count" }, plural(servers.length, "server"))),
  );
  const fill = () => {
    if (details.childElementCount > 1) return;
    for (const [city, cityServers] of Object.entries(cities)) {
      if (city !== "Unknown") details.append(h("h3", { class: "city" }, city));
      details.append(h("ul", {}, ...cityServers.map((server) => row(server))));
    }
  };
  // The rows of a country are made when it is opened, because lists may have thousands.
  details.addEventListener("toggle", fill);
  if (open.has(country) || all.length <= MAX_OPEN || servers.some(inUse)) {
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
      server.warnings.length ? warningList(server.warnings) : null,
    ),
    h(
      "button",
      {
        class: "icon-button star",
        type: "button",
        "aria-pressed": String(server.favourite),
        "aria-label": `${server.hostname} is a favourite`,
        onclick: (event) => toggleFavourite(server, event.currentTarget),
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
 * The measured latency, and the load that the provider publishes.
 *
 * @param {ServerBody} server
 */
const figures = ({ latency, load }) => [
  latency === null ? null : `${Math.round(latency)} ms`,
  load === null ? null : `${Math.round(load)} % busy`,
];

/** @param {string[]} warnings */
const warningList = (warnings) =>
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
const countryName = (country) => (country === "Unknown" ? "No location given" : country);
/**
 * @param {string} country
 * @param {string} city
 */
const placeText = (country, city) => [city, country].filter((name) => name !== "Unknown").join(", ");
