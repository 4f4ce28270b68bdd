/** A dialog over the page: it takes the focus, Escape closes it, and the focus returns to where it was. */

import { say } from "../messages/messages.js";
import { html, useEffect, useId, useRef } from "../ui.js";
import { Button } from "./button.js";

/** @param {{ title: string; close?: (() => void) | undefined; children?: unknown }} props Without `close` it stays. */
export function Dialog({ title, close, children }) {
  const id = useId();
  const element = /** @type {import("../vendor/preact.js").RefObject<HTMLDialogElement | null>} */ (useRef(null));
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  function cancel(/** @type {Event} */ event) {
    event.preventDefault();
    close?.();
  }
  return html`<dialog ref=${element} aria-labelledby=${id} onCancel=${cancel}>
    <div class="dialog-head">
      <h2 id=${id}>${title}</h2>
      ${close && html`<${Button} action=${close} icon="x" label=${say("action.close")} />`}
    </div>
    ${children}
  </dialog>`;
}
