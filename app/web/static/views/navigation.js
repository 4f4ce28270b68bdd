/** The five places: a bar at the bottom of a phone, at the side of a desk. */

import { Icon } from "../components/icon.js";
import { say } from "../messages/messages.js";
import { devices } from "../store/gateway.js";
import { route } from "../store/location.js";
import { html } from "../ui.js";

const PLACES = /** @type {const} */ ([
  { place: "home", path: "/", icon: "house" },
  { place: "devices", path: "/devices", icon: "monitor-smartphone" },
  { place: "exits", path: "/exits", icon: "globe" },
  { place: "protection", path: "/protection", icon: "shield" },
  { place: "settings", path: "/settings", icon: "settings" },
]);

export function Navigation() {
  const here = route.value.place === "servers" ? "exits" : route.value.place;
  const waiting = (devices.value ?? []).filter((each) => !each.admitted).length;
  return html`<nav class="places" aria-label=${say("app.places")}>
    ${PLACES.map(
      ({ place, path, icon }) =>
        html`<a key=${place} href=${path} data-view aria-current=${place === here ? "page" : undefined}>
          <${Icon} icon=${icon} /><span>${say(`place.${place}`)}</span>
          ${place === "devices" && waiting > 0 && html`<span class="count"><span class="visually-hidden">${say("devices.waiting", { count: waiting })}</span><span aria-hidden="true">${waiting}</span></span>`}
        </a>`,
    )}
  </nav>`;
}
