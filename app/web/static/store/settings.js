/** The gateway's settings: a change takes effect at once, and the message of it offers the way back. */

import { call } from "../api/client.js";
import { say } from "../messages/messages.js";
import { changedPreferences, preferences } from "./gateway.js";
import { inTurn } from "./in_turn.js";
import { confirmed, unlessCancelled } from "./password.js";
import { tell } from "./toasts.js";

/** @import { Preferences, PreferencesChange } from "../../types/api.d.ts" */

const turn = inTurn();

/** @param {PreferencesChange} change */
async function send(change) {
  changedPreferences(await confirmed((confirmation) => call("PATCH", "/api/settings", { ...change, ...confirmation })));
}

/** @param {PreferencesChange | ((present: Preferences) => PreferencesChange)} wanted A function where a part is kept as it is. */
export const changeSettings = (wanted) =>
  unlessCancelled(() =>
    turn(async () => {
      const before = /** @type {Preferences} */ (preferences.value); // no view offers to change what is not loaded
      const change = typeof wanted === "function" ? wanted(before) : wanted;
      await send(change);
      const names = /** @type {(keyof PreferencesChange & keyof Preferences)[]} */ (Object.keys(change));
      const back = Object.fromEntries(names.map((name) => [name, before[name]]));
      tell(say("settings.saved"), { undo: () => unlessCancelled(() => turn(() => send(back))) });
    }),
  );
