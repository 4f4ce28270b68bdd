/** The gateway's time, every second: the gateway and this browser may each have a wrong clock. */

import { signal } from "../ui.js";

const ahead = signal(0); // seconds that the gateway's clock is ahead of this browser's

const here = () => Date.now() / 1000;

/** The gateway's Unix time. */
export const now = signal(here());

/** @param {number} time The gateway's, just now. */
export function set(time) {
  ahead.value = time - here();
  tick();
}

function tick() {
  now.value = here() + ahead.peek();
}

setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
