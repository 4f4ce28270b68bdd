/** The upper half of the page: the state of the default exit, its reason, and the kill switch. */

import { clock, post, sentence } from "./api.js";
import { $, h, setText, whileBusy } from "./dom.js";
import { ago, bytes, duration, number, plural } from "./format.js";
import { showError, toast } from "./toast.js";
import * as wanPorts from "./wan_ports.js";

/** @import { StatusBody } from "../types/api.d.ts" */
/** @typedef {{ hostname: string; provider: string }} Server */

const LAST_SERVER = "last-server";

/** @type {Record<string, string>} */
const HEADLINES = {
  loading: "Contacting the gateway",
  connected: "Connected",
  connecting: "Connecting",
  disconnecting: "Disconnecting",
  disconnected: "Disconnected",
  blocked: "Blocked",
  unavailable: "Status unknown",
  lost: "Gateway unreachable",
};

/** @type {Record<string, string>} the reasons by which netd counts dropped packets */
const DROPS = {
  blocked: "No tunnel is up",
  device_blocked: "Device is blocked",
  waiting: "Device waits for you to admit it",
  waiting_lan: "To the LAN, from a device that waits",
  ipv6: "IPv6, which the tunnel does not carry",
  no_route: "Outside the tunnel's allowed IPs",
  dns: "DNS that bypasses the gateway",
  spoofed: "Spoofed source address",
  tunnel_address: "Sent to the tunnel's own address",
  invalid: "Not part of a connection",
  forward: "Path not allowed",
  wan: "Unsolicited, from the Internet side",
  input: "Service not offered on that interface",
  output: "From the gateway itself, not permitted",
  egress: "Caught by the last check",
  wan_port: "Caught by the filter on the WAN's port",
  midstream: "Ended: the connection's exit changed",
  too_many: "Too many connections of one device",
  transport: "Forged error about the tunnel's packets",
  ports: "Between two ports while the WAN is unknown",
  foreign_router: "From another router on a LAN port",
  gateway_address: "A device that takes the gateway's address",
  dhcp_flood: "Too many DHCP requests from one port",
};

/** @type {StatusBody | null} */
let status = null;
let receivedAt = 0; // when `status` arrived, by performance.now()
let state = "loading";
let chooseServer = () => {};
/** @type {(server: Server, button: HTMLButtonElement) => unknown} */
let connectTo = () => {};

export const current = () => status;

/** @param {{ choose: () => void; connect: typeof connectTo }} actions */
export function setUp({ choose, connect }) {
  chooseServer = choose;
  connectTo = connect;
  const stop = $("disconnect", HTMLButtonElement);
  stop.addEventListener("click", () =>
    whileBusy(stop, () => post("/api/disconnect").then((answer) => toast(answer.message), showError)),
  );
  const quick = $("quick", HTMLButtonElement);
  quick.addEventListener("click", () => {
    const last = lastServer();
    if (last) connectTo(last, quick);
    else chooseServer();
  });
  setInterval(tick, 1000);
}

/** @param {StatusBody} body */
export function show(body) {
  status = body;
  receivedAt = performance.now();
  state = body.state;
  if (body.connected) remember(body);
  render();
}

/** @param {string} error */
export function showUnavailable(error) {
  status = null;
  state = "unavailable";
  render();
  setText($("explain"), `${sentence(error)}. Devices keep the rules that were last in force.`);
}

export function showLost() {
  status = null;
  state = "lost";
  render();
  setText($("explain"), "The page cannot reach the gateway. Is this device still on its network?");
}

function render() {
  const hero = $("status");
  hero.dataset.state = state;
  hero.toggleAttribute("data-switching", Boolean(status?.switching_to));
  setText($("state"), HEADLINES[state] ?? state);
  setText($("place"), place());
  setText($("explain"), explain());
  renderActions();
  renderKillSwitch();
  renderProblems();
  wanPorts.show(status);
  $("facts").hidden = state !== "connected";
  document.title = status
    ? `${HEADLINES[state]}${status.server ? ` · ${status.server}` : ""} - VPN Gateway`
    : "VPN Gateway";
  if (status)
    setText(
      $("about"),
      `VPN Gateway ${status.version} · WireGuard in ${status.wireguard === "kernel" ? "the kernel" : "user space"}`,
    );
  tick();
}

function place() {
  if (!status) return "";
  if (status.connected) return [status.server, status.location].filter(Boolean).join(" · ");
  return status.target ?? "";
}

function explain() {
  if (status?.wan_problem && state !== "connected") return sentence(status.wan_problem.message);
  switch (state) {
    case "connected":
      return status?.switching_to
        ? `Switching to ${status.switching_to}; the old tunnel stays until the new one is up.`
        : "";
    case "connecting":
      return "Everything stays blocked until the tunnel is up.";
    case "disconnecting":
    case "disconnected":
      return "No device reaches the Internet until you connect.";
    case "blocked":
      return status?.message ? sentence(status.message) : "The tunnel is down; nothing leaves without it.";
    default:
      return "";
  }
}

/** The stored settings and servers that cannot be used. */
function renderProblems() {
  const problems = status?.problems ?? [];
  const list = $("problems");
  list.hidden = !problems.length;
  list.replaceChildren(...problems.map((problem) => h("li", {}, sentence(problem))));
}

function renderActions() {
  const idle = state === "disconnected";
  const stop = $("disconnect");
  stop.hidden = !["connected", "connecting", "blocked"].includes(state);
  setText(stop, state === "connected" ? "Disconnect" : "Stop trying");
  const quick = $("quick");
  quick.hidden = !idle;
  const last = lastServer();
  setText(quick, last ? `Connect to ${last.hostname}` : "Choose a server");
}

function renderKillSwitch() {
  const card = $("killswitch");
  card.dataset.ok = status ? String(status.killswitch_active) : "unknown";
  setText(
    $("killswitch-title"),
    !status ? "Kill switch" : status.killswitch_active ? "Kill switch active" : "Kill switch not confirmed",
  );
  const drops = Object.entries(status?.drops ?? {}).filter(([, count]) => count > 0);
  const total = drops.reduce((sum, [, count]) => sum + count, 0);
  $("drops").hidden = total === 0;
  setText($("drops-summary"), `${plural(total, "packet")} stopped`);
  $("drops-list").replaceChildren(
    ...drops
      .sort((a, b) => b[1] - a[1])
      .flatMap(([reason, count]) => [
        h("dt", {}, DROPS[reason] ?? reason.replaceAll("_", " ")),
        h("dd", {}, number(count)),
      ]),
  );
}

/** Update the times on the page, every second. */
function tick() {
  const passed = (performance.now() - receivedAt) / 1000;
  const retry =
    status?.retry_in === null || status?.retry_in === undefined ? null : Math.ceil(status.retry_in - passed);
  $("retry").hidden = retry === null || state !== "blocked";
  if (retry !== null) setText($("retry"), retry > 0 ? `Trying again in ${duration(retry)}.` : "Trying again now.");
  if (!status) {
    setText($("killswitch-text"), "Unknown while the gateway does not answer.");
    return;
  }
  setText($("killswitch-text"), attestation(status));
  if (!status.connected) return;
  setText($("fact-ip"), status.ip ?? "Checking…");
  setText($("fact-uptime"), duration((status.uptime_seconds ?? 0) + passed));
  setText($("fact-handshake"), status.latest_handshake ? ago(clock.now() - status.latest_handshake) : "None yet");
  setText($("fact-bytes"), `${bytes(status.rx_bytes)} / ${bytes(status.tx_bytes)}`);
  const problem = status.post_quantum_problem;
  $("fact-post-quantum-row").hidden = !status.post_quantum && !problem;
  setText($("fact-post-quantum"), status.post_quantum ? "Yes" : `No: ${problem}`);
}

/** @param {StatusBody} status */
function attestation({ attestation: { ok, checked, repairs, drift } }) {
  if (!ok) return `The rules in force differ from the plan: ${drift.join("; ") || "being repaired"}.`;
  const summary = checked ? `Firewall and routes checked ${ago(clock.now() - checked)}` : "Firewall and routes hold";
  return repairs ? `${summary}; repaired ${number(repairs)}×.` : `${summary}; as planned.`;
}

/** @param {StatusBody} status */
function remember({ server, exits, current_provider: provider }) {
  const active = exits.find((e) => e.server === server);
  localStorage.setItem(LAST_SERVER, JSON.stringify({ hostname: server, provider: active?.provider ?? provider }));
}

/** @param {string} hostname */
export function forget(hostname) {
  if (lastServer()?.hostname === hostname) localStorage.removeItem(LAST_SERVER);
  renderActions();
}

/** @returns {Server | null} */
function lastServer() {
  try {
    return JSON.parse(localStorage.getItem(LAST_SERVER) ?? "null");
  } catch {
    return null;
  }
}
