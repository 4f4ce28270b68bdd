/** The dialog that asks for confirmation. `confirmed` resolves to whether the user agreed. */

import { $, within } from "./dom.js";

/**
 * @param {string} title
 * @param {string} text
 * @param {string} [yes] the label of the button that agrees
 */
export async function confirmed(title, text, yes = "Remove") {
  const dialog = $("confirm", HTMLDialogElement);
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  within(dialog, "[value=yes]").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}
