/** The exits that a device may choose among by itself. */

import { exits } from "./gateway.js";

/** @import { SelfService } from "../../types/api.d.ts" */

/** @param {Pick<SelfService, "exits"> | undefined} service None named = all. */
export const exitsAmong = (service) => service?.exits ?? exits.value.map((each) => each.name);

/**
 * @param {SelfService} service
 * @param {string} name
 * @param {boolean} on Whether it is one of them from now on.
 */
export const withExit = (service, name, on) => [
  ...exitsAmong(service).filter((each) => each !== name),
  ...(on ? [name] : []),
];
