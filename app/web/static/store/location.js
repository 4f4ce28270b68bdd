/** The address of the page: which view is shown. Links are plain links; back and forward work as everywhere. */

import { routeOf } from "../lib/router.js";
import { computed, signal } from "../ui.js";

const path = signal(location.pathname);

/** Whether the reader has followed a link within the page, after the address that the browser opened. */
export const moved = signal(false);

export const route = computed(() => routeOf(path.value));

/** @param {string} address */
export function go(address) {
  if (address === location.pathname) return;
  history.pushState(null, "", address);
  moved.value = true;
  path.value = location.pathname;
  window.scrollTo(0, 0);
}

/** Follow links within the page without loading it anew. */
export function listen() {
  window.addEventListener("popstate", () => {
    moved.value = true;
    path.value = location.pathname;
  });
  document.addEventListener("click", (event) => {
    const pressed = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    const link = event.target instanceof Element ? event.target.closest("a[data-view]") : null;
    if (pressed || event.defaultPrevented || !(link instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    go(link.pathname);
  });
}
