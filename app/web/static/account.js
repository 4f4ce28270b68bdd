/** The account at the current provider: signing in, days left, devices, the key, signing out. */

import { call, codeOf, get, messageOf, post } from "./api.js";
import { confirmed } from "./confirm.js";
import { $, h, icon, whileBusy, within } from "./dom.js";
import * as fileKey from "./file_key.js";
import { number, plural } from "./format.js";
import { field, form } from "./forms.js";
import { showError, toast } from "./toast.js";

/** @import { AccountStatus, CredentialField, ProviderDevice, ProviderInfo } from "../types/api.d.ts" */

/** @type {Record<string, string>} */
const PROBLEMS = {
  account_expired: "The account has expired. Add time at the provider, or sign in with another account.",
  key_revoked: "The provider no longer knows this gateway's key. Sign out, then sign in again.",
  wrong_credentials: "The provider refuses the account. Sign in again.",
};
const WARN_BELOW = 7; // days left

/** @type {ProviderInfo} */
let info;
/** @type {ProviderDevice[] | null} the devices to choose from after a sign-in that failed for too many devices */
let removableDevices = null;

/**
 * Show the account of `name`. Resolves to whether it has servers: signed in, or no account needed.
 *
 * @param {string} name
 */
export async function load(name) {
  if (info?.name !== name) removableDevices = null;
  const answer = await get(`/api/providers/${encodeURIComponent(name)}`);
  info = answer;
  render();
  return !hasAccount() || Boolean(answer.account?.signed_in);
}

/** Scroll to the account, because connecting needs a sign-in. */
export function focus() {
  $("account").scrollIntoView({ behavior: "smooth", block: "center" });
  $("account").querySelector("input")?.focus({ preventScroll: true });
}

/**
 * @template {string} R
 * @param {R} rest
 */
const path = (rest) => /** @type {const} */ (`/api/providers/${encodeURIComponent(info.name)}/${rest}`);
const hasAccount = () => info.capabilities.sign_in || info.capabilities.file_key;
const reload = () => load(info.name).catch(showError);

function render() {
  const box = $("account");
  box.hidden = !hasAccount();
  if (box.hidden) return box.replaceChildren();
  const open = box.querySelector("details")?.open ?? false;
  box.replaceChildren(...(info.account?.signed_in ? signedIn(info.account) : signedOut()));
  const details = box.querySelector("details");
  if (details && open) details.open = true;
}

// --- signed out ------------------------------------------------------------------------------------------------------

function signedOut() {
  return [info.capabilities.sign_in ? signIn() : null, info.capabilities.file_key ? files() : null].filter(
    (each) => each !== null,
  );
}

/** The imported files whose key opens this provider's list, or how to come to one. */
function files() {
  const buttons = info.key_files.map((server) =>
    h(
      "button",
      {
        class: "button small",
        type: "button",
        onclick: ({ currentTarget }) => fileKey.use({ provider: info.name, title: info.title, server }, currentTarget),
      },
      `Use the key of ${server}`,
    ),
  );
  const text = buttons.length
    ? `The key of one of ${info.title}'s files works with all of its servers, without a sign-in.`
    : `One imported .conf file of ${info.title} is enough for all of its servers, without a sign-in.`;
  return h("div", { class: "key-files" }, h("p", { class: "hint" }, text), ...buttons);
}

function signIn() {
  const element = form(
    { class: "account-form", "aria-label": `Sign in to ${info.title}` },
    [
      h("h3", {}, `Sign in to ${info.title}`),
      h("p", { class: "hint" }, "What you enter stays on the gateway and is sent only to the provider."),
      ...info.credentials.map(credential),
      h("button", { class: "button primary", type: "submit" }, "Sign in"),
    ],
    async (/** @type {Record<string, string>} */ values) => {
      const trimmed = Object.entries(values).map(([name, value]) => [name, value.trim()]);
      try {
        await post(path("login"), { credentials: Object.fromEntries(trimmed.filter(([, value]) => value)) });
      } catch (error) {
        if (codeOf(error) === "too_many_devices") await offerRemoval(element);
        throw error;
      }
      removableDevices = null;
      toast(`Signed in to ${info.title}`);
      window.dispatchEvent(new Event("servers-changed"));
    },
  );
  if (removableDevices) element.append(removalList(element, removableDevices));
  return element;
}

/** @param {CredentialField} each */
function credential(each) {
  const element = field(each.label, each.name, {
    type: each.secret ? "password" : "text",
    maxlength: String(each.longest),
    autocapitalize: "none",
    spellcheck: "false",
    inputmode: /^\[0-9\]/.test(each.pattern ?? "") ? "numeric" : null,
  });
  if (each.optional) within(element, "label").append(h("span", { class: "optional" }, " optional"));
  if (each.help) element.append(h("p", { class: "hint" }, each.help));
  return element;
}

/**
 * Show the devices of an account that has too many, below the form, which keeps its input.
 *
 * @param {HTMLFormElement} element
 */
async function offerRemoval(element) {
  removableDevices = (await get(path("devices"))).devices;
  element.querySelector(".room")?.remove();
  element.append(removalList(element, removableDevices));
}

/**
 * @param {HTMLFormElement} element
 * @param {ProviderDevice[]} devices
 */
function removalList(element, devices) {
  const box = h("div", { class: "room" }, h("h4", {}, "Remove a device, then sign in again"));
  box.append(
    deviceList(devices, async (device) => {
      await call("DELETE", path(`devices/${encodeURIComponent(device.id)}`));
      removableDevices = null;
      box.remove();
      toast(`${device.name} was removed. Sign in again.`);
      within(element, "[type=submit]").focus();
    }),
  );
  return box;
}

// --- signed in -------------------------------------------------------------------------------------------------------

/** @param {AccountStatus} account */
function signedIn(account) {
  const left = account.days_left;
  const low = left !== null && left <= WARN_BELOW;
  const devices = h("div", {});
  const details = h(
    "details",
    { class: "account-more" },
    h(
      "summary",
      {},
      h("span", { class: "name" }, `${info.title} ${account.account ?? ""}`),
      account.from_file && h("span", { class: "sub" }, `with the key of ${account.from_file}`),
      left === null
        ? null
        : h("span", { class: low ? "days few" : "days" }, left > 0 ? `${plural(left, "day")} left` : "Expired"),
    ),
    h(
      "dl",
      { class: "account-facts" },
      ...fact("This device", account.device),
      ...fact("Key created", day(account.key_created)),
      ...fact("Key", account.key_proven === false ? "not proven: no server has answered it yet" : null),
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
      info.capabilities.key_rotation && !account.from_file ? action("New key", rotate) : null,
      action("Sign out", signOut, "danger"),
    ),
  );
  if (info.capabilities.devices && !account.from_file) {
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
      onclick: ({ currentTarget }) => whileBusy(currentTarget, () => act().catch(showError)),
    },
    text,
  );

/** @param {HTMLElement} box */
async function listDevices(box) {
  try {
    const { devices } = await get(path("devices"));
    const max = info.account?.max_devices;
    box.replaceChildren(
      h("h4", {}, max ? `Devices: ${devices.length} of ${max}` : "Devices"),
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
    const confirmAndRemove = async (/** @type {{ currentTarget: HTMLButtonElement }} */ { currentTarget: button }) => {
      if (await confirmed(`Remove ${device.name}?`, "It can no longer connect with this account."))
        await whileBusy(button, () => remove(device).catch(showError));
    };
    return h(
      "li",
      {},
      h("div", { class: "who" }, h("p", { class: "name" }, device.name), h("p", { class: "sub" }, about)),
      device.current
        ? null
        : h(
            "button",
            { class: "icon-button", type: "button", "aria-label": `Remove ${device.name}`, onclick: confirmAndRemove },
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
    `${plural(list.servers, "server")}${list.changed ? "" : ", unchanged"}${bad ? `; ${bad} could not be read` : ""}`,
  );
  window.dispatchEvent(new Event("servers-changed"));
}

async function rotate() {
  await post(path("rotate-key"));
  toast("The gateway has a new key");
  await reload();
}

async function signOut() {
  if (
    !(await confirmed(
      `Sign out of ${info.title}?`,
      info.account?.from_file
        ? "The gateway disconnects and forgets the key; the imported server keeps it."
        : "The gateway disconnects, and its device is removed from the account.",
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
