/** Shows the short messages; errors interrupt a screen reader, the others wait for a pause. */

import { say } from "../messages/messages.js";
import { dismiss, toasts } from "../store/toasts.js";
import { html } from "../ui.js";
import { Button } from "./button.js";

/** @import { Toast } from "../store/toasts.js" */

const Message = (/** @type {{ toast: Toast }} */ { toast }) => {
  const undo = () => {
    dismiss(toast);
    return toast.undo?.();
  };
  return html`<div class=${toast.bad ? "toast bad" : "toast"}>
    <p>${toast.text}</p>
    ${toast.undo && html`<${Button} action=${undo} icon="undo-2">${say("action.undo")}<//>`}
    <${Button} action=${() => dismiss(toast)} icon="x" label=${say("action.dismiss")} />
  </div>`;
};

export function Toasts() {
  const list = (/** @type {boolean} */ bad) =>
    toasts.value
      .filter((toast) => toast.bad === bad)
      .map((toast) => html`<${Message} key=${toast.text} toast=${toast} />`);
  return html`<div class="toasts">
    <div role="status">${list(false)}</div>
    <div role="alert">${list(true)}</div>
  </div>`;
}
