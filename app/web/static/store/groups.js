/** The groups of devices, the gateway's time zone, and what the reader can do to a group. */

import { call, get, post } from "../api/client.js";
import { say } from "../messages/messages.js";
import { signal } from "../ui.js";
import * as gateway from "./gateway.js";
import { inTurn } from "./in_turn.js";
import { confirmed, unlessCancelled } from "./password.js";
import { refresher } from "./refresher.js";
import { tell } from "./toasts.js";

/** @import { ScheduleChange } from "../lib/schedule.js" */
/** @typedef {Partial<Pick<GroupBody, "policy" | "schedule">>} Parts */
/** @import { BulkBody, GroupBody, GroupsBody, ScheduleBody } from "../../types/api.d.ts" */

const turn = inTurn();

/** @type {import("../vendor/signals.js").Signal<GroupsBody | null>} null = not loaded yet */
export const groups = signal(null);

/** Without an answer the groups stay as they were, and the link says so. */
export const refreshGroups = refresher(
  () => get("/api/groups"),
  (body) => {
    groups.value = body;
  },
);

const refresh = () => Promise.all([refreshGroups(), gateway.refreshDevices(), gateway.refreshExceptions()]);

/**
 * @param {string} name
 * @param {string | null} policy
 * @param {ScheduleBody[]} schedule
 */
async function put(name, policy, schedule) {
  await confirmed((confirmation) =>
    call("PUT", `/api/groups/${encodeURIComponent(name)}`, { policy, schedule, ...confirmation }),
  );
  await refresh();
}

/** @param {string} name */
export async function make(name) {
  await put(name, null, []);
  tell(say("group.made", { group: name }));
}

/**
 * @param {GroupBody} group
 * @param {string} choice A policy, "inherit", or "direct:<minutes>".
 */
export const setPolicy = (group, choice) =>
  unlessCancelled(async () => {
    const [kind, minutes] = choice.split(":");
    if (kind === "direct" && minutes) return open(group, Number(minutes));
    const policy = choice === "inherit" ? null : choice;
    await change(group, say("group.changed", { group: group.name }), () => ({ policy }));
  });

/**
 * @param {GroupBody} group
 * @param {string} text What is told once it is made.
 * @param {(present: GroupBody) => Parts} wanted
 */
async function change(group, text, wanted) {
  const back = await set(group, wanted);
  tell(text, { undo: () => unlessCancelled(() => set(group, () => back)) });
}

/**
 * A group is sent whole: each change is made to what it is by then, after the one before it.
 *
 * @param {GroupBody} group
 * @param {(present: GroupBody) => Parts} wanted
 * @returns {Promise<Parts>} The same parts as they were.
 */
const set = (group, wanted) =>
  turn(async () => {
    const present = presentOf(group);
    const parts = wanted(present);
    const { policy, schedule } = { ...present, ...parts };
    await put(group.name, policy, schedule);
    const names = /** @type {(keyof Parts)[]} */ (Object.keys(parts));
    return Object.fromEntries(names.map((name) => [name, present[name]]));
  });

/** @param {GroupBody} group As a view has shown it. */
const presentOf = (group) => groups.value?.groups.find((each) => each.name === group.name) ?? group;

/**
 * @param {GroupBody} group
 * @param {number} minutes in the clear
 */
async function open(group, minutes) {
  const { exception } = await confirmed((confirmation) =>
    post("/api/exceptions", { group: group.name, policy: "direct", for: minutes * 60, ...confirmation }),
  );
  await refresh();
  const end = () => unlessCancelled(() => endException(exception.id));
  tell(say("done.open", { device: group.name, count: minutes }), { undo: end });
}

/** @param {number} id */
async function endException(id) {
  await confirmed((confirmation) => call("DELETE", `/api/exceptions/${id}`, confirmation));
  await refresh();
}

/**
 * @param {GroupBody} group
 * @param {ScheduleChange} wanted
 */
export const setSchedule = (group, wanted) =>
  change(group, say("schedule.changed", { who: group.name }), ({ schedule }) => ({ schedule: wanted(schedule) }));

/**
 * Another name: the gateway knows a group by its name, so that in one step the new one is made as the old one is by then,
 * its members move, and the old one goes.
 *
 * @param {GroupBody} shown
 * @param {string} name
 */
const move = (shown, name) =>
  turn(async () => {
    const group = presentOf(shown);
    /** @type {BulkBody["operations"]} */
    const operations = [
      { op: "set_group", name, policy: group.policy, schedule: group.schedule },
      ...group.devices.map((mac) => ({ op: /** @type {const} */ ("change_device"), mac, group: name })),
      { op: "remove_group", name: group.name },
    ];
    await confirmed((confirmation) => post("/api/bulk", { operations, mode: "atomic", ...confirmation }));
    await refresh();
  });

/**
 * @param {GroupBody} group
 * @param {string} name
 */
export async function rename(group, name) {
  await move(group, name);
  const undo = () => unlessCancelled(() => move({ ...group, name }, group.name));
  tell(say("group.renamed", { group: name }), { undo });
}

/** @param {GroupBody} group */
export async function remove(group) {
  await confirmed((confirmation) => call("DELETE", `/api/groups/${encodeURIComponent(group.name)}`, confirmation));
  await refresh();
  tell(say("group.removed", { group: group.name }));
}
