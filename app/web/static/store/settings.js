/** The gateway's settings: a change takes effect at once, and the message of it offers the way back. */

import { call } from "../api/client.js";
import { say } from "../messages/messages.js";
import { preferences } from "./gateway.js";
import { confirmed, unlessCancelled } from "./password.js";
import { tell } from "./toasts.js";

/** @import { PreferencesChange } from "../../types/api.d.ts" */

/** @param {PreferencesChange} change */
async function send(change) {
  preferences.value = await confirmed((confirmation) => call("PATCH", "/api/settings", { ...change, ...confirmation }));
}

/** @param {PreferencesChange} change */
export const changeSettings = (change) =>
  unlessCancelled(async () => {
    const before = /** @type {Record<string, unknown> | null} */ (/** @type {unknown} */ (preferences.value));
    await send(change);
    const back = before && Object.fromEntries(Object.keys(change).map((name) => [name, before[name]]));
    tell(say("settings.saved"), {
      undo: back && (() => unlessCancelled(() => send(/** @type {PreferencesChange} */ (back)))),
    });
  });
