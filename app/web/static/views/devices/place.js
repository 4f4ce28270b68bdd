/** The place of devices: all of them, one, or their groups, by the address. */

import { later } from "../../components/later.js";
import { html } from "../../ui.js";
import { Devices } from "./devices.js";

/** @import { Route } from "../../lib/router.js" */

const DeviceDetail = later("devices", async () => (await import("./detail/detail.js")).DeviceDetail);
const Groups = later("devices", async () => (await import("./groups/groups.js")).Groups);

/** @param {{ route: Route }} props */
export function DevicesPlace({ route: { part } }) {
  if (part === "groups") return html`<${Groups} />`;
  return part ? html`<${DeviceDetail} mac=${part} />` : html`<${Devices} />`;
}
