/** The history of the exits' states, newest first. */

import { get } from "./api.js";
import { $, h, whileBusy } from "./dom.js";
import { bytes, duration } from "./format.js";
import { showError } from "./toast.js";

/** @import { PageBody, StatusBody, Transition } from "../types/api.d.ts" */

const PAGE_SIZE = 8;

/** @type {Record<string, string>} */
const CAUSES = {
  requested: "requested",
  resumed: "after a restart",
  adopted: "kept over a restart",
  handshake: "handshake",
  switched: "switched",
  retry: "trying again",
  restored: "a backup was restored",
  handshake_timeout: "no answer from the server",
  endpoint_unresolvable: "the server's name could not be resolved",
  wan_down: "no Internet connection",
  networks_overlap: "overlapping networks",
  tunnel_dead: "the server stopped answering",
  tunnel_lost: "the tunnel's interface was removed",
  firewall_failed: "the firewall rules could not be set",
  key_unproven: "the key has not been proven",
  server_unavailable: "the server cannot be used",
  post_quantum_failed: "no post-quantum key",
};
/** @type {Record<string, string>} */
const STATES = {
  connected: "Connected",
  connecting: "Connecting",
  disconnecting: "Disconnecting",
  disconnected: "Disconnected",
  blocked: "Blocked",
};

/** @type {string | null} the exits' states for which the list was loaded, as JSON */
let loadedFor = null;
/** @type {PageBody["next"]} */
let next = null;

export function setUp() {
  const button = $("history-more", HTMLButtonElement);
  button.addEventListener("click", () => whileBusy(button, more));
}

/**
 * Load the list again when an exit has changed its state.
 *
 * @param {StatusBody} status
 */
export function follow(status) {
  const current = JSON.stringify(status.exits.map((e) => [e.name, e.state, e.since, e.server]));
  if (current === loadedFor) return;
  loadedFor = current;
  load();
}

async function load() {
  try {
    show(await get(`/api/history?limit=${PAGE_SIZE}`), false);
  } catch {
    loadedFor = null; // the next status tries again
  }
}

async function more() {
  try {
    show(await get(`/api/history?limit=${PAGE_SIZE * 3}&before=${next}`), true);
  } catch (error) {
    showError(error);
  }
}

/**
 * @param {PageBody} page
 * @param {boolean} append
 */
function show(page, append) {
  next = page.next;
  const items = page.history.map(item);
  if (append) $("history-list").append(...items);
  else $("history-list").replaceChildren(...items);
  $("history-more").hidden = next === null;
  $("history-empty").hidden = $("history-list").childElementCount > 0;
}

/** @param {Transition} record */
function item(record) {
  const at = new Date(record.time * 1000);
  const where = record.previous_server ? `${record.previous_server} → ${record.server}` : (record.server ?? "");
  const notes = [CAUSES[record.cause] ?? record.cause.replaceAll("_", " ")];
  if (record.before === "connected" && record.duration !== null && record.duration >= 1)
    notes.push(`after ${duration(record.duration)}`);
  if (record.down !== null && record.up !== null) notes.push(`${bytes(record.down)} / ${bytes(record.up)}`);
  return h(
    "li",
    { class: "move", "data-state": record.after, title: record.message },
    h("span", { class: "dot", "aria-hidden": "true" }),
    h(
      "div",
      { class: "what" },
      h(
        "p",
        {},
        h("strong", {}, STATES[record.after] ?? record.after),
        where && ` ${where}`,
        record.exit !== "default" && ` (${record.exit})`,
      ),
      h("p", { class: "sub" }, notes.join(" · ")),
    ),
    h("time", { datetime: at.toISOString(), title: at.toLocaleString() }, shortTime(at)),
  );
}

/** @param {Date} at */
function shortTime(at) {
  const today = at.toDateString() === new Date().toDateString();
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? time : `${at.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}
