/** What the gateway does by itself: another server when one dies, connecting after a start. Each change is kept at once. */

import { call, get } from "./api.js";
import { $, h } from "./dom.js";
import { select } from "./forms.js";
import { failed } from "./toast.js";

const SCOPES = [
  ["city", "In the same city"],
  ["country", "In the same country"],
  ["anywhere", "Anywhere"],
];

let now = null;

export function setUp() {
  $("preferences").addEventListener("toggle", ({ target }) => {
    if (target.open) load();
  });
}

async function load() {
  try {
    now = await get("/api/settings");
    render();
  } catch (error) {
    $("preferences-body").replaceChildren(h("p", { class: "error" }, error.message));
  }
}

async function change(part) {
  try {
    now = await call("PATCH", "/api/settings", part);
  } catch (error) {
    failed(error);
  }
  render();
}

const failover = (part) => change({ failover: { ...now.failover, ...part } });

function render() {
  const { failover: how } = now;
  const held = document.activeElement?.name; // the box is drawn anew under the finger
  const scope = select(SCOPES, how.scope);
  scope.name = "scope";
  scope.disabled = !how.enabled;
  scope.setAttribute("aria-label", "Where the other server may be");
  scope.addEventListener("change", () => failover({ scope: scope.value }));
  $("preferences-body").replaceChildren(
    check("failover", "Go on with another server when one dies", how.enabled, (enabled) => failover({ enabled })),
    scope,
    check("return", "Go back to the chosen server once it works again", how.return_to_first, (yes) => failover({ return_to_first: yes }), !how.enabled),
    check("boot", "Connect when the gateway starts", now.connect_at_boot, (yes) => change({ connect_at_boot: yes })),
    check("latency", "Measure how far servers are when asked for the fastest", now.measure_latency, (yes) => change({ measure_latency: yes })),
  );
  if (held) $("preferences-body").querySelector(`[name="${CSS.escape(held)}"]`)?.focus();
}

const check = (name, text, checked, changed, disabled = false) =>
  h("label", { class: "check" }, h("input", { type: "checkbox", name, checked, disabled, onchange: ({ target }) => changed(target.checked) }), h("span", {}, text));
