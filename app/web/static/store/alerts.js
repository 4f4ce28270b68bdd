/** Security alerts: they stay until they are seen, also those that came while no page was open. */

import { computed, effect, signal } from "../ui.js";

/** @import { SecurityAlert } from "../../types/events.d.ts" */
/** @typedef {SecurityAlert & { seq: number; time: number }} Alert */

const STORED = "vpn-gateway.alerts";
const MOST = 50;
/** What a view says for as long as it is true needs no alert. */
const STATES = new Set(["no_password", "device_waiting"]);

/** @returns {Alert[]} */
function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "[]");
  } catch {
    return [];
  }
}

const all = signal(stored());

effect(() => localStorage.setItem(STORED, JSON.stringify(all.value)));

/** Those not yet seen, the latest first. */
export const alerts = computed(() => all.value);

/**
 * @param {SecurityAlert} alert
 * @param {number} seq
 * @param {number} time
 */
export function add(alert, seq, time) {
  if (STATES.has(alert.reason) || all.value.some((each) => each.seq === seq && each.time === time)) return;
  all.value = [{ ...alert, seq, time }, ...all.value].slice(0, MOST);
}

/** @param {Alert} alert */
export function see(alert) {
  all.value = all.value.filter((each) => each !== alert);
}
