/** The connection to the gateway: its events as they happen, and what was missed while a phone slept. */

import { ApiError, get } from "../api/client.js";
import { computed, signal } from "../ui.js";
import * as clock from "./clock.js";

/** @import { Message } from "../../types/events.d.ts" */
/** @import { StatusBody } from "../../types/api.d.ts" */
/** @typedef {{ message(message: Message): void; status(body: StatusBody): void; unavailable(): void; missed(): void }} Store */

const FIRST_RETRY = 500; // milliseconds
const LAST_RETRY = 8000;
const LONGEST_SILENCE = 50; // seconds: more than two heartbeats, which the gateway sends every 20 s
const POLL_INTERVAL = 4000;
const SEEN = "vpn-gateway.seen"; // the number of the last event, for the next visit

const connected = signal(false);
const reachable = signal(true);
const heard = signal(0); // the gateway's time of its last word

/** "live" only while the gateway has been heard lately: a browser that slept knows nothing until it hears again. */
export const link = computed(() => {
  if (connected.value && clock.now.value - heard.value < LONGEST_SILENCE) return "live";
  return reachable.value ? "waiting" : "lost";
});

/** The gateway's time of its last word; 0 = none yet. */
export const lastHeard = computed(() => heard.value);

/**
 * Follow the gateway until `stop` is called.
 *
 * @param {Store} store
 */
export function follow(store) {
  let retry = FIRST_RETRY;
  let retryTimer = 0;
  let silenceTimer = 0;
  let ended = false;
  /** @type {WebSocket | null} */
  let socket = null;

  function connect() {
    clearTimeout(retryTimer);
    if (ended) return;
    const after = localStorage.getItem(SEEN);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/ws${after ? `?after=${after}` : ""}`);
    socket.onmessage = ({ data }) => receive(JSON.parse(data));
    socket.onclose = lose;
  }

  function lose() {
    clearTimeout(silenceTimer);
    socket = null;
    connected.value = false;
    if (ended) return;
    poll();
    retryTimer = setTimeout(connect, retry * (0.75 + Math.random() / 2));
    retry = Math.min(retry * 2, LAST_RETRY);
  }

  /** @param {Message} message */
  function receive(message) {
    retry = FIRST_RETRY;
    clock.set(message.time);
    heard.value = message.time;
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(() => socket?.close(), LONGEST_SILENCE * 1000);
    if (message.seq !== null && message.type !== "resume") localStorage.setItem(SEEN, String(message.seq));
    if (!connected.value) {
      connected.value = true;
      reachable.value = true;
      store.missed();
    }
    if (message.type === "resume") poll();
    else store.message(message);
  }

  /** Ask for the status: without a socket nothing tells of it, and after a gap only what was missed is told. */
  async function poll() {
    try {
      store.status(await get("/api/status"));
      reachable.value = true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 503) store.unavailable();
      else if (error.status === 0) reachable.value = false;
    }
  }

  const polling = setInterval(() => {
    if (document.visibilityState === "visible" && !connected.value) poll();
  }, POLL_INTERVAL);
  function wake() {
    if (document.visibilityState === "visible" && !socket) connect();
  }
  document.addEventListener("visibilitychange", wake);
  connect();

  return function stop() {
    ended = true;
    clearInterval(polling);
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
    document.removeEventListener("visibilitychange", wake);
    socket?.close();
  };
}
