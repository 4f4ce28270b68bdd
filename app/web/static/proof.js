/** The proof from this device: the browser sends probes, and the gateway tells where it has seen them. */

import { get, messageOf, post } from "./api.js";
import { $, h, setText, whileBusy } from "./dom.js";

/** @import { Evidence, Proof, ProofProbe } from "../types/api.d.ts" */

const POLL = 1000; // milliseconds between two looks

/** @type {Record<ProofProbe["kind"], string>} */
const KINDS = {
  http: "A page at an address",
  name: "A name that nobody has asked for",
  doh: "DNS over HTTPS, past the gateway's resolver",
  stun: "WebRTC (STUN), as calls use it",
};

const start = $("start", HTMLButtonElement);
const progress = $("progress", HTMLProgressElement);

/**
 * Send one probe. It fails, since nobody answers: what counts is that its packets left this device.
 *
 * @param {ProofProbe} probe
 * @param {AbortSignal} signal
 */
function send(probe, signal) {
  if (probe.kind === "stun") {
    askForCandidates(probe.url, signal);
    return;
  }
  // A page that came encrypted may ask for nothing in the clear; the packets go to the same address.
  const url = location.protocol === "https:" ? probe.url.replace(/^http:/, "https:") : probe.url;
  fetch(url, { mode: "no-cors", cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", signal }).catch(
    () => {},
  );
}

/**
 * @param {string} url
 * @param {AbortSignal} signal
 */
function askForCandidates(url, signal) {
  if (!("RTCPeerConnection" in window)) return;
  const connection = new RTCPeerConnection({ iceServers: [{ urls: url }] });
  connection.createDataChannel("proof");
  connection.setLocalDescription().catch(() => {});
  signal.addEventListener("abort", () => connection.close());
}

/** @param {Proof} proof */
async function finished(proof) {
  const whole = proof.seconds || 1;
  let current = proof;
  while (current.state === "watching") {
    progress.value = 1 - current.seconds / whole;
    await new Promise((done) => setTimeout(done, POLL));
    current = await get(`/api/proof/${encodeURIComponent(proof.id)}`);
  }
  return current;
}

async function run() {
  show("watching", "Watching", "The gateway watches what this browser sends, for some seconds.");
  $("results").hidden = true;
  progress.value = 0;
  progress.hidden = false;
  const ended = new AbortController();
  try {
    const proof = await post("/api/proof");
    for (const probe of proof.probes) send(probe, ended.signal);
    tell(await finished(proof));
  } catch (error) {
    show("unclear", "The proof could not be made", messageOf(error));
  } finally {
    ended.abort();
    progress.hidden = true;
  }
}

/** @param {Proof} proof */
function tell(proof) {
  const arrived = proof.evidence.filter((each) => each.seen_on_lan || each.seen_in_tunnel).length;
  const inside = proof.evidence.filter((each) => each.seen_in_tunnel).length;
  const leaks = proof.evidence.filter((each) => each.seen_on_wan).length;
  const of = `${proof.evidence.length} probes`;
  if (leaks) {
    show("leak", "Packets of this device left in the clear", `${leaks} of ${of} were seen on the line outside.`);
  } else if (proof.problem) {
    show("unclear", "The proof could not be made", proof.problem);
  } else if (!arrived) {
    show(
      "unclear",
      "Nothing of this device came by the gateway",
      "It may use mobile data, another network, or a VPN or relay of its own. Switch that off, and try again.",
    );
  } else {
    const tunnel = inside ? `${inside} were seen in the tunnel` : "none was let out, since its exit is blocked";
    show("proven", "Nothing of this device leaves in the clear", `${arrived} of ${of} reached the gateway: ${tunnel}.`);
  }
  $("rows").replaceChildren(...proof.evidence.map(row));
  $("notes").replaceChildren(...notes(proof).map((text) => h("li", {}, text)));
  setText($("report"), report(proof));
  $("results").hidden = false;
}

/** @param {Evidence} each */
const nameOf = (each) =>
  each.kind === "name" ? KINDS.name : `${KINDS[/** @type {ProofProbe["kind"]} */ (each.kind)]}, IPv${each.family}`;

/** @param {Evidence} each */
function row(each) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, nameOf(each)),
    cell(each.seen_on_lan),
    cell(each.seen_in_tunnel),
    cell(each.seen_on_wan, "leak"),
  );
}

/**
 * @param {boolean | null} seen
 * @param {"yes" | "leak"} [word]
 */
function cell(seen, word = "yes") {
  const state = seen === null ? "unknown" : seen ? word : "none";
  return h(
    "td",
    { "data-seen": state },
    { unknown: "unknown", none: "none", yes: "seen", leak: "seen: a leak" }[state],
  );
}

/** @param {Proof} proof */
function notes(proof) {
  const found = [];
  if (proof.control)
    found.push("The tunnel's own encrypted packets were seen on the line outside, so a leak would have been.");
  if (proof.control === false)
    found.push("The tunnel's own packets were not seen on the line outside, so a leak might not have been either.");
  if (proof.control === null) found.push("No tunnel is up, so none of its packets could be seen on the line outside.");
  if (proof.evidence.some((each) => each.kind === "name" && !each.seen_on_lan && !each.seen_in_tunnel))
    found.push("No name was asked of the gateway: this device has a resolver of its own (“private DNS”).");
  if (proof.evidence.some((each) => each.family === 6 && !each.seen_on_lan))
    found.push("What was not seen in your network was not sent: this device may have no IPv6, or the browser refused.");
  return found;
}

/** @param {Proof} proof */
function report(proof) {
  /** @param {boolean | null} seen */
  const word = (seen) => (seen === null ? "?" : seen ? "seen" : "none").padEnd(8);
  const lines = proof.evidence.map((each) =>
    `${nameOf(each).padEnd(54)}${word(each.seen_on_lan)}${word(each.seen_in_tunnel)}${word(each.seen_on_wan)}`.trimEnd(),
  );
  return [
    `VPN Gateway: proof from a browser, ${new Date().toISOString()}`,
    navigator.userAgent,
    "",
    `${"PROBE".padEnd(54)}${"LAN".padEnd(8)}${"TUNNEL".padEnd(8)}WAN`,
    ...lines,
    "",
    $("verdict").textContent ?? "",
    ...notes(proof),
  ].join("\n");
}

/**
 * @param {"watching" | "proven" | "unclear" | "leak"} state
 * @param {string} title
 * @param {string} text
 */
function show(state, title, text) {
  $("proof").dataset.state = state;
  setText($("verdict"), title);
  setText($("explain"), text);
}

start.addEventListener("click", () => whileBusy(start, run));
document.documentElement.dataset.ready = ""; // for tests: the page now reacts to input
