/** The event stream: a WebSocket that comes back by itself; while it is down, the status is polled. */

import { clock, get, session } from "./api.js";

const FIRST_RETRY = 500; // milliseconds
const LAST_RETRY = 8000;
const SILENCE = 50000; // the gateway gives a sign of life every 20 s
const POLL = 4000;

/**
 * `on.status(body)`, `on.unavailable(error)`, `on.event(type, payload)` and `on.link("live" | "waiting" | "lost")`.
 */
export function follow(on) {
  let retry = FIRST_RETRY;
  let socket = null;
  let timer = null;
  let silence = null;
  let seen = null; // the number of the last event

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
    else if (message.type !== "heartbeat") on.event(message.type, message.payload);
  }

  async function poll() {
    if (session.lost) return;
    try {
      on.status(await get("/api/status"));
    } catch (error) {
      if (error.status === 503) on.unavailable(error.message);
      else if (!error.status) on.link("lost");
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
