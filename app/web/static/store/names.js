/** What exits, devices, providers and places are called on the page. */

import { countryIn } from "../lib/countries.js";
import { exitOf } from "../lib/policy.js";
import { parsed } from "../lib/target.js";
import { say } from "../messages/messages.js";
import { devices, exits, status } from "./gateway.js";
import { locale } from "./preferences.js";

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

/** @type {Record<string, string>} */
const PROVIDERS = {
  mullvad: "Mullvad",
  ivpn: "IVPN",
  nordvpn: "NordVPN",
  azirevpn: "AzireVPN",
  surfshark: "Surfshark",
  pia: "PIA",
  windscribe: "Windscribe",
  airvpn: "AirVPN",
  hideme: "hide.me",
};

/** @param {string} name */
export function providerName(name) {
  if (name === "custom") return say("provider.custom");
  return name === "imported" ? say("provider.imported") : (PROVIDERS[name] ?? name);
}

/**
 * A server, place or way to choose one, as people call it.
 *
 * @param {string} target
 */
export function targetName(target) {
  const { how, place } = parsed(target);
  const name = place && placeName(place);
  if (how === "random") return name ? say("target.random_in", { place: name }) : say("target.random");
  return name ?? say("target.fastest");
}

/** @param {string} place "Sweden", or "Gothenburg, Sweden"; the country in the reader's language. */
export function placeName(place) {
  const parts = place.split(", ");
  const country = countryIn(parts.pop() ?? "", locale.value);
  return [...parts, country].join(", ");
}
