/** What the reader can do to devices, exceptions and exits; each tells what it did, with a way back where there is one. */

import { call, post } from "../api/client.js";
import { exitOf } from "../lib/policy.js";
import { say } from "../messages/messages.js";
import { now } from "./clock.js";
import * as gateway from "./gateway.js";
import { inTurn } from "./in_turn.js";
import { deviceName, exitName, nameOf } from "./names.js";
import { confirmed, unlessCancelled } from "./password.js";
import { tell } from "./toasts.js";

/** @import { DeviceBody, ExceptionBody } from "../../types/api.d.ts" */

const MINUTE = 60;

const turn = inTurn(); // of policies

const refreshPolicies = () => Promise.all([gateway.refreshDevices(), gateway.refreshExceptions(), gateway.refreshMe()]);

/**
 * @param {DeviceBody} device
 * @param {string} choice A policy, "inherit", or "direct:<minutes>".
 */
export const changePolicy = (device, choice) =>
  unlessCancelled(async () => {
    const [kind, minutes] = choice.split(":");
    if (kind === "direct" && minutes) return open(device, Number(minutes));
    await turn(async () => {
      const present = gateway.presentDevice(device);
      const before = present.own_policy ? present.standing_policy : "inherit";
      await setPolicy(device, choice);
      if (present.exception !== null) await call("DELETE", `/api/exceptions/${present.exception}`);
      tell(changed(device, choice), { undo: () => unlessCancelled(() => turn(() => setPolicy(device, before))) });
    });
  });

/**
 * @param {DeviceBody} device
 * @param {string} policy
 */
async function setPolicy(device, policy) {
  await confirmed((confirmation) => call("PUT", `/api/devices/${device.mac}/policy`, { policy, ...confirmation }));
  await refreshPolicies();
}

/**
 * @param {DeviceBody} device
 * @param {string} choice
 */
function changed(device, choice) {
  const name = deviceName(device);
  if (choice === "blocked") return say("done.blocked", { device: name });
  if (choice === "inherit") return say("done.inherit", { device: name });
  return say("done.exit", { device: name, exit: exitName(exitOf(choice) ?? choice) });
}

/**
 * Let a device out in the clear for some minutes; the kernel itself ends it.
 *
 * @param {DeviceBody} device
 * @param {number} minutes
 */
async function open(device, minutes) {
  const { exception } = await confirmed((confirmation) =>
    post("/api/exceptions", { device: device.mac, policy: "direct", for: minutes * MINUTE, ...confirmation }),
  );
  await refreshPolicies();
  tell(say("done.open", { device: deviceName(device), count: minutes }), { undo: () => end(exception) });
}

/** @param {ExceptionBody} exception */
export async function end(exception) {
  await call("DELETE", `/api/exceptions/${exception.id}`);
  await refreshPolicies();
  tell(say("done.ended", { device: openFor(exception) }));
}

/**
 * @param {ExceptionBody} exception
 * @param {number} minutes
 */
export const extend = (exception, minutes) =>
  unlessCancelled(async () => {
    const seconds = Math.round(exception.until - now.value) + minutes * MINUTE;
    await confirmed((confirmation) =>
      call("PATCH", `/api/exceptions/${exception.id}`, { for: seconds, ...confirmation }),
    );
    await gateway.refreshExceptions();
  });

/** @param {ExceptionBody} exception For whom it is. */
export const openFor = (exception) => (exception.device ? nameOf(exception.device) : (exception.group ?? ""));

/** @param {DeviceBody} device */
export async function admit(device) {
  await post(`/api/devices/${device.mac}/admit`);
  await gateway.refreshDevices();
  tell(say("done.admitted", { device: deviceName(device) }));
}

/** @param {string} server "fastest", or a favourite or recent one as "provider/hostname". */
export async function connect(server) {
  const [provider, hostname] = server.includes("/") ? server.split("/", 2) : [null, server];
  await post("/api/connect", { server: hostname ?? server, ...(provider ? { provider } : {}) });
}

export async function disconnect() {
  const before = gateway.status.value?.server;
  const provider = gateway.status.value?.provider;
  await post("/api/disconnect", undefined);
  tell(say("done.disconnected"), { undo: before ? () => connect(`${provider}/${before}`) : null });
}
