/** The key of an imported file, which opens its provider's whole list: taking it up makes that provider the one in use. */

import { post } from "../api/client.js";
import { say } from "../messages/messages.js";
import { tell } from "./toasts.js";

/** @param {{ provider: string; title: string; server: string }} offer */
export async function takeKey({ provider, title, server }) {
  await post(`/api/providers/${encodeURIComponent(provider)}/use-key`, { server });
  tell(say("account.file_used", { server, provider: title }));
  await post(`/api/provider/${encodeURIComponent(provider)}`); // its servers are what was asked for
}
