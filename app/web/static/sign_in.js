/** The sign-in dialog, which stays until the user has signed in. */

import { ApiError, post } from "./api.js";
import { h, within } from "./dom.js";
import { field, form } from "./forms.js";

/** @import { Login, WhoBody } from "../types/api.d.ts" */

/** @type {HTMLDialogElement | null} */
let dialog = null;

/** @param {WhoBody} who */
export function show({ second_factor: secondFactor }) {
  if (dialog) return;
  const password = field("Password", "password", {
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const code = secondFactor
    ? field("Code from your authenticator app, or a recovery code", "code", {
        autocomplete: "one-time-code",
        autocapitalize: "none",
        spellcheck: "false",
      })
    : null;
  const user = h("input", {
    class: "visually-hidden",
    name: "user",
    autocomplete: "username",
    value: "admin",
    tabindex: "-1",
    "aria-hidden": "true",
    readonly: true,
  });
  const submit = h("button", { class: "button primary", type: "submit" }, "Sign in");
  const body = form({ class: "signin-form" }, [user, password, ...(code ? [code] : []), submit], signIn);
  dialog = h(
    "dialog",
    { class: "signin", "aria-labelledby": "signin-title" },
    h("h2", { id: "signin-title" }, "Sign in"),
    h("p", {}, "This gateway has a password."),
    body,
    h("p", { class: "small" }, "Forgotten? The password can be reset with the gateway's SD card."),
  );
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => dialog?.showModal());
  document.body.append(dialog);
  document.body.classList.add("signed-out");
  dialog.showModal();
  within(password, "input").focus();
}

/** @param {{ password: string; code?: string }} values */
async function signIn({ password, code }) {
  /** @type {Login} */
  const body = { password, mode: "cookie" };
  if (code) body.code = code.trim();
  try {
    await post("/api/auth/login", body);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "wrong_password") throw withWait(error);
    throw new ApiError(code === undefined ? "The password is wrong." : "The password or the code is wrong.", {
      ...error,
      field: "password",
    });
  }
  location.reload(); // start the page again, signed in
}

/**
 * The error; after too many failed sign-ins, one that says how long to wait.
 *
 * @param {unknown} error
 */
export function withWait(error) {
  if (!(error instanceof ApiError) || error.code !== "locked_out") return error;
  const wait = error.retryAfter >= 120 ? `${Math.round(error.retryAfter / 60)} minutes` : `${error.retryAfter} seconds`;
  return new ApiError(`Too many failed attempts. Try again in ${wait}.`, error);
}
