/** The gateway as the page knows it: status, exits, devices, exceptions, preferences, this device. */

import { ApiError, get } from "../api/client.js";
import { stateOf } from "../lib/state.js";
import { batch, computed, signal } from "../ui.js";
import * as alerts from "./alerts.js";
import { link } from "./connection.js";
import { refresher } from "./refresher.js";
import * as servers from "./servers.js";
import * as traffic from "./traffic.js";

/** @import { DeviceBody, ExceptionBody, ExitBody, MeBody, Preferences, StatusBody } from "../../types/api.d.ts" */
/** @import { DeviceChange, Message } from "../../types/events.d.ts" */
/**
 * @template T
 * @typedef {import("../vendor/signals.js").Signal<T>} Signal
 */

/** @type {Signal<StatusBody | null>} */
export const status = signal(null);
export const statusAt = signal(0); // when it arrived, by performance.now()
export const unavailable = signal(false); // netd does not answer
/** @type {Signal<ExitBody[]>} */
export const exits = signal([]);
/** @type {Signal<DeviceBody[] | null>} null = not loaded yet */
export const devices = signal(null);
/** @type {Signal<ExceptionBody[]>} */
export const exceptions = signal([]);
/** @type {Signal<Preferences | null>} */
export const preferences = signal(null);
/** @type {Signal<MeBody | null>} null = this browser is on no device of the LAN */
export const me = signal(null);
export const accountChanges = signal(0); // how often an account or a server list has changed since the page is open

export const state = computed(() =>
  stateOf({
    link: link.value,
    status: status.value,
    unavailable: unavailable.value,
    exceptions: exceptions.value,
    devices: devices.value ?? [],
  }),
);

/** @param {DeviceBody} device As a view has shown it; what it is by now. */
export const presentDevice = (device) => devices.value?.find((each) => each.mac === device.mac) ?? device;

/** What no event tells: the counts of stopped packets, and the last look at the kernel. */
export const refreshStatus = refresher(() => get("/api/status"), answeredStatus);
export const refreshExits = refresher(
  () => get("/api/exits"),
  (body) => {
    exits.value = body.exits;
  },
);
export const refreshDevices = refresher(
  () => get("/api/devices"),
  (body) => {
    devices.value = body.devices;
  },
);
export const refreshExceptions = refresher(
  () => get("/api/exceptions"),
  (body) => {
    exceptions.value = body.exceptions;
  },
);
export const refreshPreferences = refresher(() => get("/api/settings"), takePreferences);
export const refreshMe = refresher(
  async () => {
    try {
      return await get("/api/me");
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return null;
      throw error;
    }
  },
  (body) => {
    me.value = body;
  },
);

/** @param {Preferences} body */
function takePreferences(body) {
  preferences.value = body;
}

/** @param {Preferences} body What the gateway has answered to a change. */
export function changedPreferences(body) {
  refreshPreferences.overtaken();
  takePreferences(body);
}

/** What may have changed while nobody told. */
export function missed() {
  for (const refresh of [refreshExits, refreshDevices, refreshExceptions, refreshPreferences, refreshMe]) refresh();
}

/** @param {StatusBody} body What the gateway has answered: while events come, one of them may have told something newer. */
export function answeredStatus(body) {
  if (link.value === "live" && status.value && body.seq < status.value.seq) return;
  setStatus(body);
}

/** @param {StatusBody} body */
function setStatus(body) {
  batch(() => {
    status.value = body;
    statusAt.value = performance.now();
    unavailable.value = false;
  });
  refreshMe();
}

export function setUnavailable() {
  unavailable.value = true;
}

/** @param {Message} message */
export function receive(message) {
  switch (message.type) {
    case "status_change":
      if (unavailable.value) missed();
      setStatus(message.payload);
      break;
    case "unavailable":
      setUnavailable();
      break;
    case "traffic":
      traffic.add(message.payload);
      break;
    case "device_change":
      changeDevice(message.payload);
      break;
    case "exception_start":
    case "exception_end":
      refreshExceptions();
      refreshDevices();
      refreshMe();
      break;
    case "exit_change":
      refreshExits();
      break;
    case "provider_account":
      accountChanges.value += 1;
      break;
    case "server_update":
      accountChanges.value += 1;
      servers.change(message.payload);
      refreshPreferences();
      break;
    case "settings_change":
      refreshPreferences();
      refreshDevices();
      break;
    case "security_alert":
      alerts.add(message.payload, message.seq ?? 0, message.time);
      break;
  }
}

/** @param {DeviceChange} change */
function changeDevice({ mac, device }) {
  const others = (devices.value ?? []).filter((each) => each.mac !== mac);
  refreshDevices.overtaken();
  devices.value = device ? [...others, device] : others;
  if (mac === me.value?.mac) refreshMe();
}
