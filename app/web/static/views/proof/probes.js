/** What the browser sends: nobody answers, and nobody has to; what counts is where the gateway sees it. */

/** @import { ProofProbe } from "../../../types/api.d.ts" */

/**
 * Send one probe. It fails, since nobody answers: what counts is that its packets left this device.
 *
 * @param {ProofProbe} probe
 * @param {AbortSignal} signal
 */
export function send(probe, signal) {
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
