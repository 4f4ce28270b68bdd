/** The event stream: a WebSocket that reconnects automatically; while it is down, the status is polled. */

import { ApiError, clock, get, messageOf, session } from "./api.js";

/** @import { Message } from "../types/events.d.ts" */
/** @import { StatusBody } from "../types/api.d.ts" */
/** @typedef {Exclude<Message, { type: "status_change" | "unavailable" | "resume" | "heartbeat" }>} OtherMessage */

const MIN_RETRY = 500; // milliseconds
const MAX_RETRY = 8000;
const SILENCE_TIMEOUT = 50000; // > two heartbeats, which the gateway sends every 20 s
const POLL_INTERVAL = 4000;

/**
 * @param {{
 *   status(body: StatusBody): void;
 *   unavailable(error: string): void;
 *   event(message: OtherMessage): void;
 *   link(state: "live" | "waiting" | "lost"): void;
 * }} handlers
 */
export function follow(handlers) {
  let retry = MIN_RETRY;
  /** @type {WebSocket | null} */
  let socket = null;
  let retryTimer = 0;
  let silenceTimer = 0;
  /** @type {number | null} the number of the last event */
  let lastSeq = null;

  function connect() {
    clearTimeout(retryTimer);
    if (session.lost) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    // The gateway repeats the missed events, so that no alert is lost while a phone sleeps.
    socket = new WebSocket(`${scheme}://${location.host}/ws${lastSeq === null ? "" : `?after=${lastSeq}`}`);
    socket.onmessage = ({ data }) => receive(JSON.parse(data));
    socket.onclose = () => {
      clearTimeout(silenceTimer);
      socket = null;
      handlers.link("waiting");
      poll();
      retryTimer = setTimeout(connect, retry * (0.75 + Math.random() / 2));
      retry = Math.min(retry * 2, MAX_RETRY);
    };
  }

  /** @param {Message} message */
  function receive(message) {
    retry = MIN_RETRY;
    clock.ahead = message.time - Date.now() / 1000;
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(() => socket?.close(), SILENCE_TIMEOUT);
    if (message.seq !== null && message.type !== "resume") lastSeq = message.seq;
    handlers.link("live");
    if (message.type === "status_change") handlers.status(message.payload);
    else if (message.type === "unavailable") handlers.unavailable(message.payload.error);
    else if (message.type === "resume") poll();
    else if (message.type !== "heartbeat") handlers.event(message);
  }

  async function poll() {
    if (session.lost) return;
    try {
      handlers.status(await get("/api/status"));
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0;
      if (status === 503) handlers.unavailable(messageOf(error));
      else if (!status) handlers.link("lost");
    }
  }

  // Counters change without an event, and without a socket polling is the only source.
  setInterval(() => {
    if (document.visibilityState === "visible") poll();
  }, POLL_INTERVAL);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && !socket) connect();
  });
  connect();
  return { refresh: poll };
}
