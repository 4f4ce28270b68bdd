/** Why a device has or has no Internet, and what to do: in sentences, chosen by the gateway's codes. */

import { say, sayCode } from "../../../messages/messages.js";
import { exitName, exitPlace } from "../../../store/names.js";

/** @import { DeviceBody, WhyBody } from "../../../../types/api.d.ts" */

/** @typedef {Pick<WhyBody, "state" | "policy" | "origin" | "exit" | "reason" | "rule" | "until">} Reasons */

/**
 * What the list of devices says of the reasons, until the gateway has answered why.
 *
 * @param {DeviceBody} device
 * @returns {Reasons}
 */
export const reasonsOf = ({ policy, policy_source: origin, exit, reason }) => ({
  state: reason !== null ? "blocked" : policy === "direct" ? "direct" : "vpn",
  policy,
  origin,
  exit,
  reason,
  rule: reason === "device_blocked" ? reason : null,
  until: null,
});

/** @param {Reasons} why The one cause, of those in the messages `cause.*` and `cause_next.*`. */
export function causeOf(why) {
  if (why.rule === "device_blocked") {
    if (why.policy.startsWith("vpn")) return "no_such_exit";
    return `by_${why.origin}`;
  }
  const named = [why.reason, why.rule].find((each) => each && sayCode("cause", each) !== null);
  return named ?? "unknown";
}

/** @param {Reasons} why @param {DeviceBody} device */
function valuesOf(why, device) {
  const exit = why.exit ?? device.exit;
  return { exit: exit ? exitName(exit) : "", group: device.group ?? "" };
}

/** @param {Reasons} why */
export function what(why) {
  if (why.state === "direct") return say("why_device.direct");
  if (why.state === "vpn") return say("why_device.vpn", { exit: why.exit ? exitPlace(why.exit) : "" });
  return say("why_device.blocked");
}

/** @param {Reasons} why @param {DeviceBody} device */
export function because(why, device) {
  if (why.state === "blocked") return sayCode("cause", causeOf(why), valuesOf(why, device));
  return sayCode("origin", why.origin, valuesOf(why, device));
}

/** @param {Reasons} why @param {DeviceBody} device */
export function next(why, device) {
  if (why.state !== "blocked") return null;
  return sayCode("cause_next", causeOf(why), valuesOf(why, device));
}
