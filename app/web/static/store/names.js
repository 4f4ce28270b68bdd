/** What exits and devices are called on the page. */

import { exitOf } from "../lib/policy.js";
import { say } from "../messages/messages.js";
import { devices, exits, status } from "./gateway.js";

/** @import { DeviceBody } from "../../types/api.d.ts" */

/**
 * An exit by its label, else by its name; nobody calls one "default".
 *
 * @param {string} name
 */
export function exitName(name) {
  const exit = exits.value.find((each) => each.name === name);
  if (exit?.label) return exit.label;
  return name === "default" ? say("exit.default") : name;
}

/**
 * The place where an exit comes out now, else its name.
 *
 * @param {string} name
 */
export function exitPlace(name) {
  const label = exits.value.find((each) => each.name === name)?.label;
  const place = status.value?.exits.find((each) => each.name === name)?.location;
  return label ?? place ?? exitName(name);
}

/** @param {DeviceBody} device */
export const deviceName = (device) => device.name ?? device.hostname ?? device.vendor ?? device.mac;

/** @param {string} mac */
export function nameOf(mac) {
  const device = devices.value?.find((each) => each.mac === mac);
  return device ? deviceName(device) : mac;
}

/** @param {string} policy */
export function policyName(policy) {
  const exit = exitOf(policy);
  if (exit) return exitName(exit);
  if (policy === "direct") return say("policy.direct");
  return policy === "waiting" ? say("policy.waiting") : say("policy.blocked");
}
