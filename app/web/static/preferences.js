/** The automation settings: failover, connecting at the start, scheduled changes of server. Each change is saved at once. */

import { call, get, messageOf } from "./api.js";
import { $, h, icon } from "./dom.js";
import { select } from "./forms.js";
import { showError } from "./toast.js";

/** @import { FailoverSettings, Preferences, PreferencesChange, ServerChange } from "../types/api.d.ts" */

/**
 * The settings as the gateway answers them, with every field present.
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
let settings;

export function setUp() {
  const section = $("preferences", HTMLDetailsElement);
  section.addEventListener("toggle", () => {
    if (section.open) load();
  });
}

async function load() {
  try {
    settings = /** @type {Settings} */ (await get("/api/settings"));
    render();
  } catch (error) {
    $("preferences-body").replaceChildren(h("p", { class: "error" }, messageOf(error)));
  }
}

/** @param {PreferencesChange} change */
async function save(change) {
  try {
    settings = /** @type {Settings} */ (await call("PATCH", "/api/settings", change));
  } catch (error) {
    showError(error);
  }
  render();
}

/** @param {Partial<FailoverSettings>} change */
const saveFailover = (change) => save({ failover: { ...settings.failover, ...change } });

function render() {
  const { failover } = settings;
  const focused = document.activeElement?.getAttribute("name"); // the redraw replaces the focused control
  const scope = select(SCOPES, failover.scope);
  scope.name = "scope";
  scope.disabled = !failover.enabled;
  scope.setAttribute("aria-label", "Where the other server may be");
  scope.addEventListener("change", () =>
    saveFailover({ scope: /** @type {Settings["failover"]["scope"]} */ (scope.value) }),
  );
  $("preferences-body").replaceChildren(
    checkbox("failover", "Switch to another server when one fails", failover.enabled, (enabled) =>
      saveFailover({ enabled }),
    ),
    scope,
    checkbox(
      "return",
      "Return to the chosen server once it works again",
      failover.return_to_first,
      (checked) => saveFailover({ return_to_first: checked }),
      !failover.enabled,
    ),
    checkbox("boot", "Connect when the gateway starts", settings.connect_at_boot, (checked) =>
      save({ connect_at_boot: checked }),
    ),
    ...schedule(settings.server_changes),
    checkbox("latency", "Measure latency when choosing the fastest server", settings.measure_latency, (checked) =>
      save({ measure_latency: checked }),
    ),
  );
  const replacement = focused && $("preferences-body").querySelector(`[name="${CSS.escape(focused)}"]`);
  if (replacement instanceof HTMLElement) replacement.focus();
}

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/** @param {number} number */
const twoDigits = (number) => String(number).padStart(2, "0");

/** @param {Required<ServerChange>} change */
function describe({ at: minute, days, select: server }) {
  const when =
    days.length === 7
      ? "every day"
      : [...days]
          .sort((a, b) => a - b)
          .map((day) => DAYS[day])
          .join(", ");
  return `${twoDigits(Math.floor(minute / 60))}:${twoDigits(minute % 60)}, ${when}: ${server}`;
}

/**
 * The scheduled changes of server, and a row that adds one for every day.
 *
 * @param {Settings["server_changes"]} changes
 */
function schedule(changes) {
  const time = h("input", {
    type: "time",
    name: "change-at",
    required: true,
    "aria-label": "Time of the change",
    value: "04:00",
  });
  const server = select(
    [
      ["random", "to any server"],
      ["fastest", "to the fastest server"],
    ],
    "random",
  );
  server.name = "change-select";
  server.setAttribute("aria-label", "Which server to change to");
  const add = () => {
    const [hours = 0, minutes = 0] = time.value.split(":").map(Number);
    if (time.reportValidity())
      save({ server_changes: [...changes, { at: hours * 60 + minutes, select: server.value }] });
  };
  return [
    h("p", {}, "Change the server on a schedule"),
    h(
      "ul",
      { class: "access-list" },
      ...changes.map((change) =>
        h(
          "li",
          {},
          h("div", { class: "who" }, h("p", { class: "name" }, describe(change))),
          h(
            "button",
            {
              class: "icon-button",
              type: "button",
              "aria-label": `Remove the change at ${describe(change)}`,
              onclick: () => save({ server_changes: changes.filter((other) => other !== change) }),
            },
            icon("trash"),
          ),
        ),
      ),
    ),
    h(
      "div",
      { class: "choices" },
      time,
      server,
      h("button", { class: "button small", type: "button", onclick: add }, "Add"),
    ),
  ];
}

/**
 * @param {string} name
 * @param {string} text
 * @param {boolean} checked
 * @param {(checked: boolean) => unknown} onChange
 */
const checkbox = (name, text, checked, onChange, disabled = false) =>
  h(
    "label",
    { class: "check" },
    h("input", {
      type: "checkbox",
      name,
      checked,
      disabled,
      onchange: ({ currentTarget }) => onChange(currentTarget.checked),
    }),
    h("span", {}, text),
  );
