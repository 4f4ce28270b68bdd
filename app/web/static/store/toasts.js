/** The short messages at the edge of the page; one may offer to undo what it tells of. */

import { signal } from "../ui.js";

/** @typedef {{ text: string; bad: boolean; undo: (() => Promise<unknown>) | null }} Toast */

const LIFETIME = 8000; // milliseconds; errors stay until they are dismissed

/** @type {import("../vendor/signals.js").Signal<Toast[]>} */
export const toasts = signal([]);

/** @param {Toast} toast */
export function dismiss(toast) {
  toasts.value = toasts.value.filter((each) => each !== toast);
}

/**
 * @param {string} text
 * @param {{ bad?: boolean; undo?: (() => Promise<unknown>) | null }} [options]
 */
export function tell(text, { bad = false, undo = null } = {}) {
  const toast = { text, bad, undo };
  toasts.value = [...toasts.value.filter((each) => each.text !== text), toast].slice(-3);
  if (!bad) setTimeout(() => dismiss(toast), LIFETIME);
}
