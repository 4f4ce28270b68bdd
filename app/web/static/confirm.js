/** Are you sure? */

import { $, within } from "./dom.js";

/**
 * @param {string} title
 * @param {string} text
 * @param {string} [yes] the word on the button
 */
export async function sure(title, text, yes = "Remove") {
  const dialog = $("confirm", HTMLDialogElement);
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  within(dialog, "[value=yes]").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}
