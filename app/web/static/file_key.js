/** The key of an imported file, which opens its provider's whole list: the offer after an import, and its acceptance. */

import { post } from "./api.js";
import { h, whileBusy } from "./dom.js";
import { plural } from "./format.js";
import { showError, toast } from "./toast.js";

/** @import { ListOffer } from "../types/api.d.ts" */

/**
 * The notice below an import's form; it goes when the offer is accepted.
 *
 * @param {ListOffer} offer
 */
export function notice(offer) {
  const { title } = offer;
  const whose = offer.listed ? `This is a file of ${title}.` : `This looks like a file of ${title}.`;
  const many = offer.servers ? `all ${plural(offer.servers, "server")}` : "all servers";
  const element = h(
    "div",
    { class: "notice file-key", role: "status" },
    h("p", {}, `${whose} Its key and address work with ${many} of ${title}, without a sign-in.`),
    h(
      "button",
      {
        class: "button small",
        type: "button",
        onclick: async ({ currentTarget }) => {
          if (await use(offer, currentTarget)) element.remove();
        },
      },
      `Use it for all of ${title}`,
    ),
  );
  return element;
}

/**
 * Use the key of the imported `server`, and show the provider's list. Resolves to whether the gateway took it.
 *
 * @param {{ provider: string; title: string; server: string }} offer
 * @param {HTMLButtonElement} button
 */
export async function use({ provider, title, server }, button) {
  let used = false;
  await whileBusy(button, async () => {
    try {
      await post(`/api/providers/${encodeURIComponent(provider)}/use-key`, { server });
      used = true;
      toast(`The key of ${server} is used for all servers of ${title}`);
      await post(`/api/provider/${encodeURIComponent(provider)}`); // its servers are what was asked for
      window.dispatchEvent(new Event("servers-changed"));
    } catch (error) {
      showError(error);
    }
  });
  return used;
}
