/** What the reader can do to exits; each tells what it did, with a way back where there is one. */

import { call, post } from "../api/client.js";
import { say } from "../messages/messages.js";
import * as gateway from "./gateway.js";
import { inTurn } from "./in_turn.js";
import { go } from "./location.js";
import { exitName, providerName, targetName } from "./names.js";
import { CancelledError, confirmed } from "./password.js";
import { changeProvider } from "./provider_settings.js";
import { refreshInfo } from "./servers.js";
import { tell } from "./toasts.js";
import { exitStatus } from "./tone.js";

/** @import { ExitBody, ExitChange } from "../../types/api.d.ts" */

const turn = inTurn();

/** @param {string} name */
export const isOn = (name) => !["disconnected", "disconnecting"].includes(exitStatus(name)?.state ?? "disconnected");

/**
 * The exit leaves by this server or place from now on. The first choice of an exit without one is also where it goes
 * after a restart.
 *
 * @param {string} exit
 * @param {string} provider
 * @param {string} target
 */
export async function leaveBy(exit, provider, target) {
  const before = exitStatus(exit);
  const settings = gateway.exits.value.find((each) => each.name === exit);
  if (exit !== "default" && settings?.target === null) {
    await call("PATCH", `/api/exits/${exit}`, { provider, target });
    gateway.refreshExits();
  }
  await post("/api/connect", { exit, provider, server: target });
  const was = before?.asked ?? before?.server;
  const back = before?.provider && was ? () => leaveBy(exit, before.provider ?? provider, was) : () => switchOff(exit);
  tell(say("exits.done_leaves", { exit: exitName(exit), place: targetName(target) }), { undo: back });
}

/** @param {ExitBody} exit */
export async function switchOn(exit) {
  const [last] = exit.name === "default" ? (gateway.preferences.value?.recent ?? []) : [];
  if (exit.target !== null) await post("/api/connect", { exit: exit.name });
  else if (last) await leaveBy(exit.name, last.slice(0, last.indexOf("/")), last.slice(last.indexOf("/") + 1));
  else go(`/servers/${exit.name}`);
}

/** @param {string} name */
export async function switchOff(name) {
  const before = exitStatus(name);
  const was = before?.asked ?? before?.server;
  await post("/api/disconnect", { exit: name });
  const undo = before?.provider && was ? () => leaveBy(name, before.provider ?? "", was) : null;
  tell(say("exits.done_off", { exit: exitName(name) }), { undo });
}

/**
 * @param {ExitBody} exit
 * @param {ExitChange | ((present: ExitBody) => ExitChange)} wanted A function where a part is kept as it is.
 */
export const changeExit = (exit, wanted) =>
  turn(async () => {
    const present = gateway.exits.value.find((each) => each.name === exit.name) ?? exit;
    const change = typeof wanted === "function" ? wanted(present) : wanted;
    const keys = /** @type {(keyof ExitChange & keyof ExitBody)[]} */ (Object.keys(change));
    const before = Object.fromEntries(keys.map((key) => [key, present[key]]));
    await patch(exit.name, change);
    const name = change.name ?? exit.name;
    tell(say("exits.done_changed", { exit: exitName(name) }), { undo: () => turn(() => patch(name, before)) });
  });

/**
 * @param {string} name
 * @param {ExitChange} change
 */
async function patch(name, change) {
  const { warnings = [] } = await call("PATCH", `/api/exits/${name}`, change);
  await gateway.refreshExits();
  if (change.name !== undefined && change.name !== name && location.pathname === `/exits/${name}`)
    go(`/exits/${change.name}`);
  for (const warning of warnings) tell(warning);
}

/**
 * @param {string} name
 * @param {string | null} label
 */
export async function makeExit(name, label) {
  await post("/api/exits", { name, label });
  await gateway.refreshExits();
}

/**
 * @param {ExitBody} exit
 * @param {string | null} then What its devices do next; null where nothing uses it.
 */
export async function removeExit(exit, then) {
  const name = exitName(exit.name);
  try {
    await confirmed((confirmation) => call("DELETE", `/api/exits/${exit.name}`, { then, ...confirmation }));
  } catch (error) {
    if (error instanceof CancelledError) return;
    throw error;
  }
  go("/exits");
  await Promise.all([gateway.refreshExits(), gateway.refreshDevices()]);
  tell(say("exits.done_removed", { exit: name }));
}

/**
 * @param {string} provider
 * @param {string} server
 * @param {boolean} favourite
 */
export async function setFavourite(provider, server, favourite) {
  await call(favourite ? "PUT" : "DELETE", `/api/favourites/${provider}/${encodeURIComponent(server)}`);
  await gateway.refreshPreferences();
}

/**
 * Remove a server of one's own, with its keys.
 *
 * @param {string} server
 */
export async function removeServer(server) {
  await call("DELETE", `/api/custom/remove/${encodeURIComponent(server)}`);
  tell(say("servers.done_removed", { server }));
}

/**
 * @param {string} provider
 * @param {string | null} entry The server at which traffic enters the provider's network; null = no detour.
 */
export async function enterBy(provider, entry) {
  const set = async (/** @type {string | null} */ server) => {
    const { multihop_entry: present = null } = await changeProvider(provider, () => ({ multihop_entry: server }));
    await refreshInfo(provider);
    return present;
  };
  const before = await set(entry);
  const text = entry
    ? say("multihop.done", { server: entry })
    : say("multihop.done_off", { provider: providerName(provider) });
  tell(text, { undo: () => set(before) });
}
