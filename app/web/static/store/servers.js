/** The servers of each provider that the reader has looked at, as the gateway lists them; and the providers. */

import { ApiError, get } from "../api/client.js";
import { signal } from "../ui.js";
import { refresher } from "./refresher.js";

/** @import { ProviderInfo, ProvidersBody, ServersBody } from "../../types/api.d.ts" */
/** @import { ServersChanged } from "../../types/events.d.ts" */

/** @type {import("../vendor/signals.js").Signal<ProvidersBody | null>} null = not loaded yet */
export const providers = signal(null);

/** @type {import("../vendor/signals.js").Signal<Record<string, ServersBody["servers"]>>} by provider */
export const lists = signal({});

/** @type {import("../vendor/signals.js").Signal<Record<string, ProviderInfo>>} by provider: its account and settings */
export const infos = signal({});

/** @type {Map<string, () => Promise<void>>} */
const refreshers = new Map();

export const refreshProviders = refresher(
  () => get("/api/providers"),
  (body) => {
    providers.value = body;
  },
);

/** @param {string} provider */
export function refreshServers(provider) {
  const refresh =
    refreshers.get(provider) ??
    refresher(
      () => get(`/api/servers?provider=${encodeURIComponent(provider)}`),
      ({ servers }) => {
        lists.value = { ...lists.value, [provider]: servers };
      },
    );
  refreshers.set(provider, refresh);
  return refresh();
}

/** @param {string} provider */
export async function refreshInfo(provider) {
  try {
    infos.value = { ...infos.value, [provider]: await get(`/api/providers/${provider}`) };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // without it the list is shown as it is
  }
}

/** @param {ServersChanged} changed What is a favourite is in the preferences, and changes no list. */
export function change({ provider, favourite }) {
  if (providers.value) refreshProviders();
  if (favourite === undefined && provider in lists.value) refreshServers(provider);
}
