/** How to connect through each provider; the views that change it share one turn. */

import { call, get } from "../api/client.js";
import { inTurn } from "./in_turn.js";

/** @import { ProviderSettings } from "../../types/api.d.ts" */

const turn = inTurn();

/**
 * Settings are sent whole: each change is made to those that the gateway has, after the one before it.
 *
 * @param {string} provider
 * @param {(present: ProviderSettings) => ProviderSettings} change The parts that change.
 * @returns {Promise<ProviderSettings>} The settings as they were.
 */
export const changeProvider = (provider, change) =>
  turn(async () => {
    const path = /** @type {const} */ (`/api/providers/${encodeURIComponent(provider)}`);
    const present = (await get(path)).settings ?? {};
    await call("PUT", `${path}/settings`, { ...present, ...change(present) });
    return present;
  });
