/** What the gateway does by itself: another server when one dies, connecting after a start. Each change is kept at once. */

import { call, get, messageOf } from "./api.js";
import { $, h, icon } from "./dom.js";
import { select } from "./forms.js";
import { failed } from "./toast.js";

/** @import { FailoverSettings, Preferences, PreferencesChange, ServerChange } from "../types/api.d.ts" */

/**
 * The preferences as the gateway answers, which leaves nothing out.
 *
 * @typedef {Omit<Preferences, "failover" | "server_changes"> & {
 *   failover: Required<FailoverSettings>;
 *   server_changes: Array<Required<ServerChange>>;
 * }} Settings
 */

/** @type {Array<[string, string]>} */
const SCOPES = [
  ["city", "In the same city"],
  ["country", "In the same country"],
  ["anywhere", "Anywhere"],
];

/** @type {Settings} */
let now;

export function setUp() {
  const part = $("preferences", HTMLDetailsElement);
  part.addEventListener("toggle", () => {
    if (part.open) load();
  });
}

async function load() {
  try {
    now = /** @type {Settings} */ (await get("/api/settings"));
    render();
  } catch (error) {
    $("preferences-body").replaceChildren(h("p", { class: "error" }, messageOf(error)));
  }
}

/** @param {PreferencesChange} part */
async function change(part) {
  try {
    now = /** @type {Settings} */ (await call("PATCH", "/api/settings", part));
  } catch (error) {
    failed(error);
  }
  render();
}

/** @param {Partial<FailoverSettings>} part */
const failover = (part) => change({ failover: { ...now.failover, ...part } });

function render() {
  const { failover: how } = now;
  const held = document.activeElement?.getAttribute("name"); // the box is drawn anew under the finger
  const scope = select(SCOPES, how.scope);
  scope.name = "scope";
  scope.disabled = !how.enabled;
  scope.setAttribute("aria-label", "Where the other server may be");
  scope.addEventListener("change", () =>
    failover({ scope: /** @type {Settings["failover"]["scope"]} */ (scope.value) }),
  );
  $("preferences-body").replaceChildren(
    check("failover", "Go on with another server when one dies", how.enabled, (enabled) => failover({ enabled })),
    scope,
    check(
      "return",
      "Go back to the chosen server once it works again",
      how.return_to_first,
      (yes) => failover({ return_to_first: yes }),
      !how.enabled,
    ),
    check("boot", "Connect when the gateway starts", now.connect_at_boot, (yes) => change({ connect_at_boot: yes })),
    ...schedule(now.server_changes),
    check("latency", "Measure how far servers are when asked for the fastest", now.measure_latency, (yes) =>
      change({ measure_latency: yes }),
    ),
  );
  const again = held && $("preferences-body").querySelector(`[name="${CSS.escape(held)}"]`);
  if (again instanceof HTMLElement) again.focus();
}

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");

/**
 * Changes of server by the clock: those that are set, and a row to set another for every day.
 *
 * @param {Settings["server_changes"]} changes
 */
function schedule(changes) {
  const at = h("input", {
    type: "time",
    name: "change-at",
    required: true,
    "aria-label": "Time of the change",
    value: "04:00",
  });
  const which = select(
    [
      ["random", "to any server"],
      ["fastest", "to the fastest server"],
    ],
    "random",
  );
  which.name = "change-select";
  which.setAttribute("aria-label", "Which server to change to");
  const add = () => {
    const [hours = 0, minutes = 0] = at.value.split(":").map(Number);
    if (at.reportValidity())
      change({ server_changes: [...changes, { at: hours * 60 + minutes, select: which.value }] });
  };
  const told = (/** @type {Required<ServerChange>} */ { at: minute, days, select: to }) => {
    const when =
      days.length === 7
        ? "every day"
        : [...days]
            .sort((a, b) => a - b)
            .map((day) => DAYS[day])
            .join(", ");
    return `${two(Math.floor(minute / 60))}:${two(minute % 60)}, ${when}: ${to}`;
  };
  return [
    h("p", {}, "Change the server by the clock"),
    h(
      "ul",
      { class: "access-list" },
      ...changes.map((each) =>
        h(
          "li",
          {},
          h("div", { class: "who" }, h("p", { class: "name" }, told(each))),
          h(
            "button",
            {
              class: "icon-button",
              type: "button",
              "aria-label": `Remove the change at ${told(each)}`,
              onclick: () => change({ server_changes: changes.filter((other) => other !== each) }),
            },
            icon("trash"),
          ),
        ),
      ),
    ),
    h(
      "div",
      { class: "choices" },
      at,
      which,
      h("button", { class: "button small", type: "button", onclick: add }, "Add"),
    ),
  ];
}

/**
 * @param {string} name
 * @param {string} text
 * @param {boolean} checked
 * @param {(checked: boolean) => unknown} changed
 */
const check = (name, text, checked, changed, disabled = false) =>
  h(
    "label",
    { class: "check" },
    h("input", {
      type: "checkbox",
      name,
      checked,
      disabled,
      onchange: ({ currentTarget }) => changed(currentTarget.checked),
    }),
    h("span", {}, text),
  );
