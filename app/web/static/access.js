/** The security dialog: password, two-step sign-in, API keys, sessions. */

import { ApiError, call, clock, get, messageOf, post } from "./api.js";
import { $, h, icon, setText, within } from "./dom.js";
import { plural } from "./format.js";
import { field, form, select } from "./forms.js";
import { withWait } from "./sign_in.js";
import { showError } from "./toast.js";

/** @import { EnrolmentBody, KeyBody, NewKey, SessionBody, SetPassword, WhoBody } from "../types/api.d.ts" */
/** @import { Call } from "../types/call.d.ts" */
/** @import { Child } from "../types/dom.d.ts" */

/** @type {Record<string, string>} */
const SCOPES = { read: "Read", connect: "Read and connect", admin: "Do everything" };
/** @type {Array<[string, string]>} */
const LIFETIMES = [
  ["", "Never"],
  ["30", "After 30 days"],
  ["90", "After 90 days"],
  ["365", "After a year"],
];

/** @type {WhoBody} */
let who;
/** @type {HTMLDialogElement} */
let dialog;

/** @param {WhoBody} session */
export function setUp(session) {
  who = session;
  if (!who.available) return;
  const button = h(
    "button",
    { id: "access-open", class: "button small", type: "button", "aria-label": label(), onclick: open },
    icon("lock"),
    h("span", {}, label()),
  );
  $("link").before(button);
  if (!who.password_set) showUnowned();
}

/** Say on the first screen that the gateway has no owner yet, and what cannot be done until it has one. */
function showUnowned() {
  const left = who.first_password_seconds ?? 0;
  const minutes = Math.ceil(left / 60);
  const next = left
    ? `The first password can be set for another ${plural(minutes, "minute")}, counted from the start of the gateway.`
    : "The time to set the first password is over. Switch the gateway off and on, or write admin_password into gateway.toml on its SD card.";
  $("status").before(
    h(
      "section",
      { id: "unowned", class: "card unowned", "aria-labelledby": "unowned-title" },
      h("h2", { id: "unowned-title" }, "This gateway has no password"),
      h(
        "p",
        {},
        `Everyone on this network can connect, disconnect and add servers. Settings, backups and letting a device out directly need a password first. ${next}`,
      ),
      left ? h("button", { class: "button primary", type: "button", onclick: open }, "Set it now") : null,
    ),
  );
  $("support").addEventListener("click", openInstead);
}

/** @param {Event} event */
function openInstead(event) {
  event.preventDefault();
  open();
}

const label = () => (who.password_set ? "Security" : "Set a password");

async function open() {
  dialog ??= makeDialog();
  dialog.showModal();
  await render();
}

function makeDialog() {
  const element = h("dialog", { class: "access", "aria-labelledby": "access-title" });
  element.addEventListener("click", ({ target }) => target === element && element.close());
  element.addEventListener("close", () => element.replaceChildren()); // no secret stays in the page
  document.body.append(element);
  return element;
}

/**
 * Draw the whole dialog. `notice` says what has just happened, because a toast would lie beneath the dialog.
 *
 * @param {string} [notice]
 */
async function render(notice = "", bad = false) {
  try {
    who = await get("/api/auth/session");
    setText(within($("access-open"), "span"), label());
    $("access-open").setAttribute("aria-label", label());
    const close = h(
      "button",
      { class: "icon-button", type: "button", "aria-label": "Close", onclick: () => dialog.close() },
      "✕",
    );
    const head = h(
      "div",
      {},
      h("div", { class: "card-head" }, h("h2", { id: "access-title" }, "Security"), close),
      notice && h("p", { class: bad ? "notice bad" : "notice", role: bad ? "alert" : "status" }, notice),
    );
    if (who.password_set) {
      document.getElementById("unowned")?.remove();
      $("support").removeEventListener("click", openInstead);
    } else {
      dialog.replaceChildren(head, firstPassword());
      return;
    }
    const [{ keys }, { sessions }] = [await get("/api/auth/keys"), await get("/api/auth/sessions")];
    dialog.replaceChildren(
      head,
      section("Password", "Set", passwordForm()),
      section(
        "Two-step sign-in",
        who.second_factor ? "On" : "Off",
        who.second_factor ? secondFactorOff() : secondFactorOn(),
      ),
      section("API keys", String(keys.length || "None"), keyList(keys), keyForm()),
      section("Signed in", String(sessions.length), sessionList(sessions)),
      h(
        "div",
        { class: "dialog-actions" },
        h("button", { class: "button", type: "button", onclick: signOut }, "Sign out"),
      ),
    );
  } catch (error) {
    dialog.close();
    showError(error);
  }
}

/**
 * @param {string} title
 * @param {string} state
 * @param {...Child} children
 */
function section(title, state, ...children) {
  return h(
    "details",
    { name: "access", class: "access-part" },
    h("summary", {}, h("span", {}, title), h("span", { class: "count" }, state)),
    h("div", { class: "access-body" }, ...children),
  );
}

// --- password --------------------------------------------------------------------------------------------------------

/** @typedef {{ password: string; again: string }} NewPassword */

const newPassword = () => [
  field("New password", "password", { type: "password", autocomplete: "new-password" }),
  field("Repeat password", "again", { type: "password", autocomplete: "new-password" }),
];

const codeField = (text = "Code from your authenticator app") =>
  field(text, "code", { autocomplete: "one-time-code", autocapitalize: "none", spellcheck: "false" });

/** @param {string} text */
const submit = (text) => h("button", { class: "button primary", type: "submit" }, text);

/** @param {NewPassword} values */
function checkRepeated({ password, again }) {
  if (password !== again) throw new ApiError("The passwords differ.", { field: "again" });
}

/** @type {Call} */
const send = async (method, path, ...body) => {
  try {
    return await call(method, path, ...body);
  } catch (error) {
    throw withWait(error);
  }
};

function firstPassword() {
  return form(
    {},
    [
      h(
        "p",
        {},
        "Everyone on this network can connect and disconnect. Once a password is set, people have to sign in here, and programs need an API key.",
      ),
      ...newPassword(),
      submit("Set password"),
    ],
    async (/** @type {NewPassword} */ values) => {
      checkRepeated(values);
      await send("POST", "/api/auth/password", { password: values.password });
      await render("The password is set. You are signed in on this device.");
    },
  );
}

function passwordForm() {
  const current = field("Current password", "current", { type: "password", autocomplete: "current-password" });
  return form(
    {},
    [current, ...newPassword(), ...(who.second_factor ? [codeField()] : []), submit("Change password")],
    async (/** @type {NewPassword & { current: string; code?: string }} */ values) => {
      checkRepeated(values);
      /** @type {SetPassword} */
      const body = { password: values.password, current: values.current };
      if (values.code) body.code = values.code;
      await send("POST", "/api/auth/password", body);
      await render("The password was changed. All other devices are signed out.");
    },
  );
}

// --- second factor ---------------------------------------------------------------------------------------------------

function secondFactorOn() {
  const box = h("div", {});
  const begin = form(
    {},
    [
      h("p", {}, "Signing in then also needs a code from an app on your phone."),
      field("Your password", "password", { type: "password", autocomplete: "current-password" }),
      submit("Set up"),
    ],
    async (/** @type {{ password: string }} */ { password }) =>
      showEnrolment(box, await send("POST", "/api/auth/totp", { password })),
  );
  box.append(begin);
  return box;
}

/**
 * @param {HTMLElement} box
 * @param {EnrolmentBody} enrolment
 */
function showEnrolment(box, { qr, secret }) {
  const confirm = form(
    {},
    [
      h("p", {}, "Scan this with an authenticator app, then enter the code that it shows."),
      h("img", { class: "qr", alt: "QR code for an authenticator app", src: `data:image/svg+xml;base64,${btoa(qr)}` }),
      h(
        "p",
        { class: "small" },
        "Or type this key: ",
        h("code", { class: "secret" }, secret.replace(/(.{4})(?=.)/g, "$1 ")),
      ),
      codeField("Code"),
      submit("Turn on"),
    ],
    async (/** @type {{ code: string }} */ { code }) =>
      showRecoveryCodes(box, (await send("POST", "/api/auth/totp/confirm", { code })).recovery_codes),
  );
  box.replaceChildren(confirm);
  within(confirm, "input").focus();
}

/**
 * @param {HTMLElement} box
 * @param {string[]} codes
 */
function showRecoveryCodes(box, codes) {
  setText(within(box.closest("details") ?? dialog, ".count"), "On");
  box.replaceChildren(
    h(
      "p",
      {},
      "Two-step sign-in is on. Keep these recovery codes somewhere safe: each signs you in once when your phone is lost, or when the gateway's clock is wrong. They are shown only once.",
    ),
    h("ul", { class: "recovery" }, ...codes.map((code) => h("li", {}, h("code", {}, code)))),
    h(
      "div",
      { class: "dialog-actions" },
      copyButton(codes.join("\n")),
      h("button", { class: "button primary", type: "button", onclick: () => render() }, "I have saved them"),
    ),
  );
}

function secondFactorOff() {
  return form(
    {},
    [
      h("p", {}, "Signing in needs a code from your app. To turn that off, enter your password and a code."),
      field("Your password", "password", { type: "password", autocomplete: "current-password" }),
      codeField("Code, or a recovery code"),
      submit("Turn off"),
    ],
    async (/** @type {{ password: string; code: string }} */ { password, code }) => {
      await send("DELETE", "/api/auth/totp", { password, code });
      await render("Two-step sign-in is off.");
    },
  );
}

// --- API keys --------------------------------------------------------------------------------------------------------

/** @param {KeyBody[]} keys */
function keyList(keys) {
  if (!keys.length)
    return h("p", {}, "For programs: a script, Home Assistant, Prometheus. A key can do only what you allow.");
  return h(
    "ul",
    { class: "access-list" },
    ...keys.map((key) => row(key.name, keyState(key), `Revoke ${key.name}`, () => revoke(key))),
  );
}

/** @param {KeyBody} key */
function keyState({ scope, expires, last_used: used }) {
  const until = !expires ? "never expires" : expires < clock.now() ? "expired" : `until ${day(expires)}`;
  return `${SCOPES[scope]} · ${until} · ${used ? `used ${day(used)}` : "never used"}`;
}

/**
 * @param {string} name
 * @param {string} text
 * @param {string} action what the button does
 * @param {(() => void) | null} remove
 */
function row(name, text, action, remove) {
  const button =
    remove &&
    h("button", { class: "icon-button", type: "button", "aria-label": action, onclick: remove }, icon("trash"));
  return h(
    "li",
    {},
    h("div", { class: "who" }, h("p", { class: "name" }, name), h("p", { class: "sub" }, text)),
    button,
  );
}

function keyForm() {
  const box = h("div", {});
  box.append(
    form(
      { class: "key-form" },
      [
        field("Name of a new key", "name", { maxlength: "64", autocapitalize: "none" }),
        field("Allowed to", "scope", {}, select(Object.entries(SCOPES), "read")),
        field("Expires", "expires_in_days", {}, select(LIFETIMES, "365")),
        field("Your password", "password", { type: "password", autocomplete: "current-password" }),
        ...(who.second_factor ? [codeField()] : []),
        submit("Create key"),
      ],
      async (
        /** @type {{ name: string; scope: NonNullable<NewKey["scope"]>; expires_in_days: string; password: string; code?: string }} */ values,
      ) => {
        const { name, scope, expires_in_days: days, password, code } = values;
        /** @type {NewKey} */
        const body = { name: name.trim(), scope, password };
        if (code) body.code = code;
        if (days) body.expires_in_days = Number(days);
        const { key } = await send("POST", "/api/auth/keys", body);
        box.replaceChildren(
          h("p", {}, "This is the key. It is shown only once."),
          h("code", { class: "secret" }, key),
          h(
            "div",
            { class: "dialog-actions" },
            copyButton(key),
            h("button", { class: "button primary", type: "button", onclick: () => render() }, "Done"),
          ),
        );
      },
    ),
  );
  return box;
}

/** @param {KeyBody} key */
async function revoke({ id, name }) {
  await removeAndShow(`/api/auth/keys/${id}`, `${name} was revoked.`);
}

// --- sessions --------------------------------------------------------------------------------------------------------

/** @param {SessionBody[]} sessions */
function sessionList(sessions) {
  return h(
    "ul",
    { class: "access-list" },
    ...sessions.map((session) => {
      const name = session.current ? "This device" : device(session);
      const text = `${session.address} · since ${day(session.created)} · used ${day(session.last_used)}`;
      return row(
        name,
        text,
        `Sign out ${name}`,
        session.current ? null : () => removeAndShow(`/api/auth/sessions/${session.id}`, `${name} was signed out.`),
      );
    }),
  );
}

/** @type {Record<string, string>} the common names of browsers that a User-Agent abbreviates */
const BROWSER_NAMES = { Edg: "Edge", OPR: "Opera" };

/**
 * The browser and system of a User-Agent ("Firefox on Android"), else the beginning of it.
 *
 * @param {SessionBody} session
 */
function device({ agent, kind }) {
  const browser = ["Edg", "OPR", "Firefox", "Chrome", "Safari"].find((name) => agent.includes(name));
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"].find((name) => agent.includes(name));
  if (!browser || kind === "token") return agent.slice(0, 40) || "A program";
  return `${BROWSER_NAMES[browser] ?? browser}${system ? ` on ${system}` : ""}`;
}

/**
 * @param {`/api/auth/keys/${string}` | `/api/auth/sessions/${string}`} path
 * @param {string} message
 */
async function removeAndShow(path, message) {
  const title = dialog.querySelector("details[open] summary span")?.textContent;
  try {
    await call("DELETE", path);
    await render(message);
  } catch (error) {
    await render(messageOf(error), true);
  }
  for (const each of dialog.querySelectorAll("details")) each.open = within(each, "summary span").textContent === title;
}

async function signOut() {
  try {
    await post("/api/auth/logout");
  } finally {
    location.reload();
  }
}

// --- parts -----------------------------------------------------------------------------------------------------------

/** @param {number} time */
const day = (time) =>
  new Date(time * 1000).toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });

/**
 * A button that copies `text`, or selects it: over plain HTTP a browser offers no clipboard.
 *
 * @param {string} text
 */
function copyButton(text) {
  const button = h("button", { class: "button", type: "button" }, navigator.clipboard ? "Copy" : "Select");
  button.addEventListener("click", async () => {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      setText(button, "Copied");
    } else {
      const shown = within(button.closest(".access-body") ?? dialog, ".secret, .recovery");
      getSelection()?.selectAllChildren(shown);
    }
  });
  return button;
}
