/** The words of the state: what it is, why, and what to do next. */

import { blockedWhy, wanWhy } from "../../api/errors.js";
import { span } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { devices, exceptions, state, status, statusAt } from "../../store/gateway.js";
import { locale } from "../../store/preferences.js";

/** The devices that leave in the clear now, by a policy of their own or for a while. */
const openDevices = () => (devices.value ?? []).filter((each) => each.policy === "direct").length;

export function what() {
  switch (state.value) {
    case "protected":
      return say("state.protected");
    case "open":
      return say("state.open", { count: Math.max(openDevices(), exceptions.value.length) });
    case "connecting":
      return say("state.connecting");
    case "blocked":
      return say("state.blocked");
    case "unconfirmed":
      return say("state.unconfirmed");
    case "unavailable":
      return say("state.unavailable");
    case "lost":
      return say("state.lost");
    case "waiting":
      return status.value ? say("state.waiting") : say("state.loading");
  }
}

export function why() {
  const shown = status.value;
  switch (state.value) {
    case "protected":
      return say("why.protected");
    case "open":
      return say("why.open");
    case "connecting":
      return say("why.connecting", { server: shown?.target ?? "" });
    case "blocked":
      if (shown?.wan_problem) return wanWhy(shown.wan_problem);
      if (shown?.state === "disconnected") return say("why.disconnected");
      return shown ? blockedWhy(shown) : say("why.blocked");
    case "unconfirmed":
      return say("why.unconfirmed");
    case "unavailable":
      return say("why.unavailable");
    case "lost":
      return say("why.lost");
    case "waiting":
      return status.value ? say("why.waiting") : "";
  }
}

export function next() {
  const shown = status.value;
  switch (state.value) {
    case "open":
      return say("next.open");
    case "connecting":
      return say("next.connecting");
    case "blocked":
      if (shown?.wan_problem) return say("next.wan");
      if (shown?.state === "disconnected") return say("next.disconnected");
      return retry(shown?.retry_in ?? null) ?? say("next.blocked");
    case "unconfirmed":
      return say("next.unconfirmed");
    case "unavailable":
      return say("next.unavailable");
    case "lost":
      return say("next.lost");
    default:
      return "";
  }
}

/** @param {number | null} seconds After the status arrived. */
function retry(seconds) {
  if (seconds === null || now.value === 0) return null; // the clock's tick renews the words
  const left = seconds - (performance.now() - statusAt.value) / 1000;
  return left > 0 ? say("next.retry", { time: span(left, locale.value) }) : say("next.retry_now");
}
