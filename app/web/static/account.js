/** The account with the provider shown: signing in, days left, devices, the key, signing out. */

import { call, codeOf, get, messageOf, post } from "./api.js";
import { sure } from "./confirm.js";
import { $, h, icon, whileBusy, within } from "./dom.js";
import { number, plural } from "./format.js";
import { field, form } from "./forms.js";
import { failed, toast } from "./toast.js";

/** @import { AccountStatus, CredentialField, ProviderDevice, ProviderInfo } from "../types/api.d.ts" */

/** @type {Record<string, string>} */
const PROBLEMS = {
  account_expired: "The account has expired. Add time at the provider, or sign in with another account.",
  key_revoked: "The provider no longer knows this gateway's key. Sign out, and sign in again.",
  wrong_credentials: "The provider refuses the account. Sign in again.",
};
const FEW_DAYS = 7;

/** @type {ProviderInfo} */
let info;
/** @type {ProviderDevice[] | null} devices to make room among, after a sign-in that found none */
let full = null;

/**
 * Show the account of `name`. Returns whether servers can be had: signed in, or no account needed.
 *
 * @param {string} name
 */
export async function load(name) {
  if (info?.name !== name) full = null;
  const asked = await get(`/api/providers/${encodeURIComponent(name)}`);
  info = asked;
  render();
  return !asked.capabilities.sign_in || Boolean(asked.account?.signed_in);
}

/** Whoever wants to connect has to sign in first. */
export function focus() {
  $("account").scrollIntoView({ behavior: "smooth", block: "center" });
  $("account").querySelector("input")?.focus({ preventScroll: true });
}

/**
 * @template {string} R
 * @param {R} rest
 */
const path = (rest) => /** @type {const} */ (`/api/providers/${encodeURIComponent(info.name)}/${rest}`);
const again = () => load(info.name).catch(failed);

function render() {
  const box = $("account");
  box.hidden = !info.capabilities.sign_in;
  if (box.hidden) return box.replaceChildren();
  const open = box.querySelector("details")?.open ?? false;
  box.replaceChildren(...(info.account?.signed_in ? signedIn(info.account) : [signIn()]));
  const details = box.querySelector("details");
  if (details && open) details.open = true;
}

// --- signed out ------------------------------------------------------------------------------------------------------

function signIn() {
  const made = form(
    { class: "account-form", "aria-label": `Sign in to ${info.title}` },
    [
      h("h3", {}, `Sign in to ${info.title}`),
      h("p", { class: "hint" }, "What you enter stays on the gateway, and goes to nobody but the provider."),
      ...info.credentials.map(credential),
      h("button", { class: "button primary", type: "submit" }, "Sign in"),
    ],
    async (/** @type {Record<string, string>} */ values) => {
      const given = Object.entries(values).map(([name, value]) => [name, value.trim()]);
      try {
        await post(path("login"), { credentials: Object.fromEntries(given.filter(([, value]) => value)) });
      } catch (error) {
        if (codeOf(error) === "too_many_devices") await makeRoom(made);
        throw error;
      }
      full = null;
      toast(`Signed in to ${info.title}`);
      window.dispatchEvent(new Event("servers-changed"));
    },
  );
  if (full) made.append(room(made, full));
  return made;
}

/** @param {CredentialField} each */
function credential(each) {
  const made = field(each.label, each.name, {
    type: each.secret ? "password" : "text",
    maxlength: String(each.longest),
    autocapitalize: "none",
    spellcheck: "false",
    inputmode: /^\[0-9\]/.test(each.pattern ?? "") ? "numeric" : null,
  });
  if (each.optional) within(made, "label").append(h("span", { class: "optional" }, " optional"));
  if (each.help) made.append(h("p", { class: "hint" }, each.help));
  return made;
}

/**
 * The account has no room: its devices, to remove one, below the form that keeps what was typed.
 *
 * @param {HTMLFormElement} made
 */
async function makeRoom(made) {
  full = (await get(path("devices"))).devices;
  made.querySelector(".room")?.remove();
  made.append(room(made, full));
}

/**
 * @param {HTMLFormElement} made
 * @param {ProviderDevice[]} devices
 */
function room(made, devices) {
  const box = h("div", { class: "room" }, h("h4", {}, "Remove a device, then sign in again"));
  box.append(
    deviceList(devices, async (device) => {
      await call("DELETE", path(`devices/${encodeURIComponent(device.id)}`));
      full = null;
      box.remove();
      toast(`${device.name} was removed. Sign in again.`);
      within(made, "[type=submit]").focus();
    }),
  );
  return box;
}

// --- signed in -------------------------------------------------------------------------------------------------------

/** @param {AccountStatus} account */
function signedIn(account) {
  const left = account.days_left;
  const few = left !== null && left <= FEW_DAYS;
  const devices = h("div", {});
  const details = h(
    "details",
    { class: "account-more" },
    h(
      "summary",
      {},
      h("span", { class: "name" }, `${info.title} ${account.account ?? ""}`),
      left === null
        ? null
        : h("span", { class: few ? "days few" : "days" }, left > 0 ? `${plural(left, "day")} left` : "Expired"),
    ),
    h(
      "dl",
      { class: "account-facts" },
      ...fact("This device", account.device),
      ...fact("Key made", day(account.key_created)),
      ...fact("Next key", day(account.key_rotates)),
      ...fact("Paid until", day(account.expires)),
      ...fact(
        "Servers",
        info.list && `${number(info.list.servers)}${info.list.fetched ? `, fetched ${day(info.list.fetched)}` : ""}`,
      ),
    ),
    devices,
    h(
      "div",
      { class: "account-actions" },
      action("Fetch servers", refresh),
      info.capabilities.key_rotation ? action("New key", rotate) : null,
      action("Sign out", signOut, "danger"),
    ),
  );
  if (info.capabilities.devices) {
    details.addEventListener("toggle", () => {
      if (details.open) listDevices(devices);
    });
  }
  const problem =
    account.problem && h("p", { class: "notice bad", role: "alert" }, PROBLEMS[account.problem] ?? account.problem);
  return problem ? [problem, details] : [details];
}

/**
 * @param {string} name
 * @param {string | null} value
 */
const fact = (name, value) => (value ? [h("div", {}, h("dt", {}, name), h("dd", {}, value))] : []);
/**
 * @param {string} text
 * @param {() => Promise<unknown>} act
 */
const action = (text, act, kind = "") =>
  h(
    "button",
    {
      class: `button small ${kind}`,
      type: "button",
      onclick: ({ currentTarget }) => whileBusy(currentTarget, () => act().catch(failed)),
    },
    text,
  );

/** @param {HTMLElement} box */
async function listDevices(box) {
  try {
    const { devices } = await get(path("devices"));
    const most = info.account?.max_devices;
    box.replaceChildren(
      h("h4", {}, most ? `Devices: ${devices.length} of ${most}` : "Devices"),
      deviceList(devices, async (device) => {
        await call("DELETE", path(`devices/${encodeURIComponent(device.id)}`));
        toast(`${device.name} was removed`);
        await listDevices(box);
      }),
    );
  } catch (error) {
    box.replaceChildren(h("p", { class: "error" }, messageOf(error)));
  }
}

/**
 * @param {ProviderDevice[]} devices
 * @param {(device: ProviderDevice) => Promise<void>} remove
 */
function deviceList(devices, remove) {
  const rows = devices.map((device) => {
    const about = [device.current ? "this gateway" : null, device.created ? `since ${day(device.created)}` : null]
      .filter(Boolean)
      .join(" · ");
    const ask = async (/** @type {{ currentTarget: HTMLButtonElement }} */ { currentTarget: button }) => {
      if (await sure(`Remove ${device.name}?`, "It can no longer connect with this account."))
        await whileBusy(button, () => remove(device).catch(failed));
    };
    return h(
      "li",
      {},
      h("div", { class: "who" }, h("p", { class: "name" }, device.name), h("p", { class: "sub" }, about)),
      device.current
        ? null
        : h(
            "button",
            { class: "icon-button", type: "button", "aria-label": `Remove ${device.name}`, onclick: ask },
            icon("trash"),
          ),
    );
  });
  return h("ul", { class: "access-list" }, ...rows);
}

async function refresh() {
  const { list } = await post(path("refresh"));
  const bad = list.skipped.filter((entry) => entry.bad).length;
  toast(
    `${plural(list.servers, "server")}${list.changed ? "" : ", as before"}${bad ? `; ${bad} could not be read` : ""}`,
  );
  window.dispatchEvent(new Event("servers-changed"));
}

async function rotate() {
  await post(path("rotate-key"));
  toast("The gateway has a new key");
  await again();
}

async function signOut() {
  if (
    !(await sure(
      `Sign out of ${info.title}?`,
      "The gateway disconnects, and its device is removed from the account.",
      "Sign out",
    ))
  )
    return;
  const { warnings } = await post(path("logout"));
  toast(warnings?.length ? warnings.join(" ") : `Signed out of ${info.title}`);
  window.dispatchEvent(new Event("servers-changed"));
}

/** @param {number | null} time */
const day = (time) =>
  time
    ? new Date(time * 1000).toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" })
    : null;
