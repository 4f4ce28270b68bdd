/** What happened to a device, in a sentence chosen by the gateway's code, and what more there is to say of it. */

import { moment } from "../../../lib/time.js";
import { say, sayCode } from "../../../messages/messages.js";
import { policyName } from "../../../store/names.js";
import { locale } from "../../../store/preferences.js";

/** @import { DeviceRecord } from "../../../../types/api.d.ts" */

const POLICIES = ["policy", "own_policy", "exception_start", "exception_end"];
const KEY = "API key "; // then its name

/** @type {Partial<Record<DeviceRecord["change"], keyof DeviceRecord>>} What is not told where the change took it away. */
const GIVEN = {
  own_policy: "policy",
  renamed: "name",
  group: "group",
  fixed_address: "address",
  self_service: "allow",
};

/** @param {string} by Who asked for an exception, as the gateway writes it. */
function person(by) {
  if (by === "admin") return say("by.admin");
  if (by === "anybody") return say("by.anybody");
  if (by === "the device itself") return say("by.itself");
  return by.startsWith(KEY) ? say("by.key", { key: by.slice(KEY.length) }) : by;
}

/** @param {DeviceRecord} record */
function valuesOf(record) {
  const named = (/** @type {string | null | undefined} */ text) =>
    text && POLICIES.includes(record.change) ? policyName(text) : (text ?? "");
  return {
    policy: named(record.policy),
    before: named(record.before),
    until: record.until ? moment(record.until, record.time, locale.value) : "",
    by: record.by ? person(record.by) : "",
    reason: record.reason ?? "",
    group: record.group ?? "",
    address: record.address ?? "",
    name: record.name ?? "",
    what: record.allow ? say(`self.${record.allow}`) : "",
  };
}

/** @param {DeviceRecord} record */
function variantOf(record) {
  const given = GIVEN[record.change];
  if (given && !record[given]) return "happened_none";
  if (record.change === "renamed" && !record.before) return "happened_first";
  const reason = record.reason && record.by !== "the device itself"; // its own words say no more than that
  return record.change === "exception_start" && reason ? "happened_why" : "happened";
}

/** @param {DeviceRecord} record */
export const happening = (record) =>
  sayCode(variantOf(record), record.change, valuesOf(record)) ?? record.change.replaceAll("_", " ");

/** @param {DeviceRecord} record */
export function circumstance(record) {
  const { change, cause, group, address, name } = record;
  if (change === "appeared") return [name, address].filter(Boolean).join(" · ");
  const notes = [
    change === "policy" && cause && sayCode("moved_by", cause, { group: group ?? "" }),
    change === "exception_end" && cause && sayCode("over", cause),
    POLICIES.includes(change) && change.startsWith("exception") && group && say("happening.of_group", { group }),
  ];
  return notes.filter(Boolean).join(" · ");
}
