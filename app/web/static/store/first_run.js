/** Whether this browser should be led through the first run: no password yet, and it was neither done nor left. */

import { go } from "./location.js";
import { session } from "./session.js";

const STORED = "vpn-gateway.welcomed";

/** From the start page alone: who has opened another address wants that. */
export function begin() {
  const isNew = session.value?.available && !session.value.password_set;
  if (isNew && location.pathname === "/" && !localStorage.getItem(STORED)) go("/welcome");
}

/** The first run comes no more by itself; the banner, and Settings, still lead to it. */
export const finish = () => localStorage.setItem(STORED, "1");
