/** Who uses the page, and whether the gateway has a password. */

import { ApiError, get, onSignedOut } from "../api/client.js";
import { computed, signal } from "../ui.js";

/** @import { WhoBody } from "../../types/api.d.ts" */

/** @type {import("../vendor/signals.js").Signal<WhoBody | null>} null = not known yet */
export const session = signal(null);

/** Whether the reader must sign in first. Without an answer nobody knows: the page shows what it has, as stale. */
export const refused = computed(() => session.value !== null && !session.value.authenticated);

/** Asks anew. Without an answer nothing changes: the page says that the gateway is not reached, and tries again. */
export async function load() {
  try {
    session.value = await get("/api/auth/session");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

onSignedOut(load);
