/** The event stream: a WebSocket that comes back by itself; while it is down, the status is polled. */

import { ApiError, clock, get, messageOf, session } from "./api.js";

/** @import { Message } from "../types/events.d.ts" */
/** @import { StatusBody } from "../types/api.d.ts" */
/** @typedef {Exclude<Message, { type: "status_change" | "unavailable" | "resume" | "heartbeat" }>} OtherMessage */

const FIRST_RETRY = 500; // milliseconds
const LAST_RETRY = 8000;
const SILENCE = 50000; // the gateway gives a sign of life every 20 s
const POLL = 4000;

/**
 * @param {{
 *   status(body: StatusBody): void;
 *   unavailable(error: string): void;
 *   event(message: OtherMessage): void;
 *   link(state: "live" | "waiting" | "lost"): void;
 * }} on
 */
export function follow(on) {
  let retry = FIRST_RETRY;
  /** @type {WebSocket | null} */
  let socket = null;
  let timer = 0;
  let silence = 0;
  /** @type {number | null} the number of the last event */
  let seen = null;

  function connect() {
    clearTimeout(timer);
    if (session.lost) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    // What was missed is told, so that no alert gets lost while a phone sleeps.
    socket = new WebSocket(`${scheme}://${location.host}/ws${seen === null ? "" : `?after=${seen}`}`);
    socket.onmessage = ({ data }) => receive(JSON.parse(data));
    socket.onclose = () => {
      clearTimeout(silence);
      socket = null;
      on.link("waiting");
      poll();
      timer = setTimeout(connect, retry * (0.75 + Math.random() / 2));
      retry = Math.min(retry * 2, LAST_RETRY);
    };
  }

  /** @param {Message} message */
  function receive(message) {
    retry = FIRST_RETRY;
    clock.ahead = message.time - Date.now() / 1000;
    clearTimeout(silence);
    silence = setTimeout(() => socket?.close(), SILENCE);
    if (message.seq !== null && message.type !== "resume") seen = message.seq;
    on.link("live");
    if (message.type === "status_change") on.status(message.payload);
    else if (message.type === "unavailable") on.unavailable(message.payload.error);
    else if (message.type === "resume") poll();
    else if (message.type !== "heartbeat") on.event(message);
  }

  async function poll() {
    if (session.lost) return;
    try {
      on.status(await get("/api/status"));
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0;
      if (status === 503) on.unavailable(messageOf(error));
      else if (!status) on.link("lost");
    }
  }

  // Counters change without an event; and while there is no socket, this is all there is.
  setInterval(() => {
    if (document.visibilityState === "visible") poll();
  }, POLL);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && !socket) connect();
  });
  connect();
  return { refresh: poll };
}
