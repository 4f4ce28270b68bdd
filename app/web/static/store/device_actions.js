/** What the reader can decide about one device, besides its policy; each tells what it did, with a way back. */

import { call } from "../api/client.js";
import { say } from "../messages/messages.js";
import * as gateway from "./gateway.js";
import { inTurn } from "./in_turn.js";
import { deviceName } from "./names.js";
import { confirmed, unlessCancelled } from "./password.js";
import { tell } from "./toasts.js";

/** @import { DeviceBody, DeviceSelfServiceChange, ScheduleBody } from "../../types/api.d.ts" */
/** @import { ScheduleChange } from "../lib/schedule.js" */
/** @typedef {{ name?: string | null; group?: string | null; address?: string | null }} Change */

const turn = inTurn();

/**
 * @param {DeviceBody} device
 * @param {Change} change
 */
async function send(device, change) {
  await confirmed((confirmation) => call("PATCH", `/api/devices/${device.mac}`, { ...change, ...confirmation }));
  await gateway.refreshDevices();
}

/**
 * @param {DeviceBody} device
 * @param {Change} change
 * @param {(present: DeviceBody) => Change} same The same part as it is by then.
 * @param {string} text
 */
const change = (device, change, same, text) =>
  turn(async () => {
    const before = same(gateway.presentDevice(device));
    await send(device, change);
    tell(text, { undo: () => unlessCancelled(() => turn(() => send(device, before))) });
  });

/**
 * @param {DeviceBody} device
 * @param {string} name "" takes it away
 */
export const rename = (device, name) =>
  change(
    device,
    { name: name || null },
    (present) => ({ name: present.name }),
    say("device.renamed", { device: name || device.mac }),
  );

/**
 * @param {DeviceBody} device
 * @param {string} address "" lets the gateway choose
 */
export const fixAddress = (device, address) =>
  change(
    device,
    { address: address || null },
    (present) => ({ address: present.fixed_address }),
    address
      ? say("device.address_fixed", { device: deviceName(device), address })
      : say("device.address_free", { device: deviceName(device) }),
  );

/**
 * @param {DeviceBody} device
 * @param {string} group "" = none
 */
export const putIntoGroup = (device, group) =>
  change(
    device,
    { group: group || null },
    (present) => ({ group: present.group }),
    group
      ? say("device.grouped", { device: deviceName(device), group })
      : say("device.ungrouped", { device: deviceName(device) }),
  );

/**
 * @param {DeviceBody} device
 * @param {ScheduleChange} change
 */
export async function setSchedule(device, change) {
  const put = async (/** @type {ScheduleBody[]} */ entries) => {
    await confirmed((confirmation) =>
      call("PUT", `/api/devices/${device.mac}/schedule`, { schedule: entries, ...confirmation }),
    );
    await gateway.refreshDevices();
  };
  await turn(async () => {
    const { schedule } = gateway.presentDevice(device);
    await put(change(schedule));
    tell(say("schedule.changed", { who: deviceName(device) }), {
      undo: () => unlessCancelled(() => turn(() => put(schedule))),
    });
  });
}

/**
 * @param {DeviceBody} device
 * @param {DeviceSelfServiceChange} wanted
 */
export const setSelfService = (device, wanted) =>
  confirmed((confirmation) => call("PUT", `/api/devices/${device.mac}/self-service`, { ...wanted, ...confirmation }));

/** @param {DeviceBody} device */
export async function forget(device) {
  await confirmed((confirmation) => call("DELETE", `/api/devices/${device.mac}`, confirmation));
  await gateway.refreshDevices();
  tell(say("device.forgotten", { device: deviceName(device) }));
}
