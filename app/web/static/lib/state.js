/** The one state of the gateway that people are told (pure): never "protected" on what is stale or unconfirmed. */

/** @import { DeviceBody, ExceptionBody, StatusBody } from "../../types/api.d.ts" */
/** @typedef {"protected" | "open" | "connecting" | "blocked" | "unconfirmed" | "waiting" | "lost" | "unavailable"} State */

/**
 * @param {{
 *   link: "live" | "waiting" | "lost";
 *   status: StatusBody | null;
 *   unavailable: boolean;
 *   exceptions: ExceptionBody[];
 *   devices: DeviceBody[];
 * }} known
 * @returns {State}
 */
export function stateOf({ link, status, unavailable, exceptions, devices }) {
  if (link !== "live") return link;
  if (unavailable) return "unavailable";
  if (!status) return "waiting";
  if (!status.killswitch_active || !status.attestation.ok) return "unconfirmed";
  const open = exceptions.some((each) => each.policy === "direct") || devices.some((each) => each.policy === "direct");
  if (open) return "open";
  if (status.state === "connected") return "protected";
  return status.state === "connecting" || status.state === "disconnecting" ? "connecting" : "blocked";
}
