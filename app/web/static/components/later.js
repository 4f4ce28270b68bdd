/** A view whose modules are fetched when it is first shown, so that the first page stays small. */

import { say } from "../messages/messages.js";
import { link } from "../store/connection.js";
import { html, signal, useEffect } from "../ui.js";
import { Button } from "./button.js";

/** @import { Route } from "../lib/router.js" */

/** The whole page anew, at the same address: after an update the gateway has another page, with other modules. */
const reload = () => location.reload();

/**
 * @param {Route["place"]} place
 * @param {() => Promise<unknown>} fetchView
 */
export function later(place, fetchView) {
  /** @type {import("../vendor/signals.js").Signal<unknown>} */
  const view = signal(null);
  const failed = signal(false);
  const waiting = { focused: false };

  async function load() {
    failed.value = false;
    try {
      const found = await fetchView();
      waiting.focused = document.activeElement?.matches("#view h1") ?? false;
      view.value = found;
    } catch {
      failed.value = true; // the gateway is not reached, which the page says; what is asked for comes after that
    }
  }

  return function Later(/** @type {Record<string, unknown>} */ props) {
    useEffect(() => {
      if (!view.value) load();
    }, [link.value]); // once the gateway is reached again, too
    useEffect(() => {
      const heading = document.querySelector("#view h1");
      if (view.value && waiting.focused && heading instanceof HTMLElement) heading.focus({ preventScroll: true });
      waiting.focused = false;
    }, [view.value]);
    if (view.value) return html`<${view.value} ...${props} />`;
    return html`<div class="place" aria-busy=${!failed.value}>
      <h1 tabindex="-1">${say(`place.${place}`)}</h1>
      ${failed.value && html`<p>${say(link.value === "live" ? "error.unreadable" : "error.unreachable")}</p><${Button} action=${reload}>${say("action.retry")}<//>`}
    </div>`;
  };
}
