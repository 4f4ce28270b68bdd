/** Adding servers: import a .conf, or enter the parts by hand. */

import { ApiError, messageOf, post, sentence } from "./api.js";
import { $, h, setText, whileBusy, within } from "./dom.js";
import { decode, serverName } from "./files.js";
import { fieldOf } from "./forms.js";
import * as servers from "./servers.js";
import { toast } from "./toast.js";

/** @import { CustomServerBody, ImportBody, Success } from "../types/api.d.ts" */

const REQUIRED = new Set(["name", "config", "endpoint", "public_key"]); // what is empty elsewhere is not sent
/** @type {{ file: string; name: string } | null} the file that the form was filled from, and the name made of its own */
let taken = null;
const LARGEST = 256 * 1024; // bytes; real files have a few hundred

export function setUp() {
  choose("import");
  $("tab-import").addEventListener("click", () => choose("import"));
  $("tab-custom").addEventListener("click", () => choose("custom"));
  const [importing, custom] = [$("import-form", HTMLFormElement), $("custom-form", HTMLFormElement)];
  importing.addEventListener("submit", (event) => send(event, importing, "imported"));
  custom.addEventListener("submit", (event) => send(event, custom, "custom"));
  for (const form of [importing, custom]) {
    form.addEventListener("input", ({ target }) => clear(fieldOf(target)));
  }
  setUpFiles();
}

/** @param {string} kind */
function choose(kind) {
  for (const name of ["import", "custom"]) {
    $(`tab-${name}`).setAttribute("aria-pressed", String(name === kind));
    $(`${name}-form`).hidden = name !== kind;
  }
}

function setUpFiles() {
  const zone = within(document, ".drop");
  const input = $("import-file", HTMLInputElement);
  input.addEventListener("change", () => take(input.files?.[0]));
  for (const name of /** @type {const} */ (["dragover", "dragleave", "drop"])) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", name === "dragover");
      if (name === "drop") take(event.dataTransfer?.files[0]);
    });
  }
}

/** @param {File | undefined} file */
async function take(file) {
  if (!file) return;
  taken = null;
  const form = $("import-form", HTMLFormElement);
  reset(form);
  if (file.size > LARGEST) {
    showError(form, `${file.name} is too large to be a WireGuard configuration.`, "config");
    return;
  }
  $("import-config", HTMLTextAreaElement).value = decode(await file.arrayBuffer());
  setText($("drop-text"), file.name);
  taken = { file: file.name, name: serverName(file.name) };
  const name = $("import-name", HTMLInputElement);
  name.value = taken.name;
  clear(fieldOf(name));
  name.focus();
}

/**
 * @param {SubmitEvent} event
 * @param {HTMLFormElement} form
 * @param {"imported" | "custom"} provider
 */
async function send(event, form, provider) {
  event.preventDefault();
  reset(form);
  /** @type {Record<string, string>} */
  const body = {};
  for (const [name, value] of new FormData(form)) {
    if (typeof value !== "string") continue;
    const text = name === "config" ? value : value.trim();
    if (text || REQUIRED.has(name)) body[name] = text;
  }
  if (provider === "imported" && taken && body.name === taken.name) {
    // Nobody chose this name: the gateway may make it another where a server has it already.
    body.file = taken.file;
    delete body.name;
  }
  await whileBusy(within(form, "[type=submit]", HTMLButtonElement), async () => {
    try {
      const answer = await (provider === "imported"
        ? post("/api/import", /** @type {ImportBody & typeof body} */ (body))
        : post("/api/custom/add", /** @type {CustomServerBody & typeof body} */ (body)));
      added(answer.server ?? body.name ?? "", answer, provider === "custom" && !body.private_key);
      form.reset();
      if (provider === "imported") taken = null;
      setText($("drop-text"), "Choose a file or drop it here");
      await servers.showProvider(provider);
    } catch (error) {
      showError(form, messageOf(error), error instanceof ApiError ? error.field : null);
    }
  });
}

/**
 * @param {string} name
 * @param {Success} answer
 * @param {boolean} madeKey
 */
function added(name, answer, madeKey) {
  toast(`${name} was added`);
  for (const warning of answer.warnings ?? []) toast(`${name}: ${warning}`, { stays: true });
  if (madeKey && answer.public_key) {
    toast(["Enter this public key at the server: ", h("code", {}, answer.public_key)], { stays: true });
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {string} whole
 * @param {string | null} field
 */
function showError(form, whole, field) {
  // "name: letters and digits only" stands below the field: no need to repeat which.
  const own = field && whole.toLowerCase().startsWith(`${field}: `);
  const message = own ? sentence(whole.slice(field.length + 2)) : whole;
  const place = field && form.querySelector(`[data-field="${CSS.escape(field)}"]`);
  if (!place) {
    const general = within(form, ".form-error");
    general.hidden = false;
    general.textContent = message;
    return;
  }
  place.closest("details")?.setAttribute("open", "");
  const text = within(place, ".error");
  text.hidden = false;
  text.textContent = message;
  const input = within(place, "input, textarea");
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

/** @param {Element | null} place */
function clear(place) {
  if (!place) return;
  within(place, ".error").hidden = true;
  within(place, "input, textarea").removeAttribute("aria-invalid");
}

/** @param {HTMLFormElement} form */
function reset(form) {
  form.querySelectorAll(".field").forEach(clear);
  within(form, ".form-error").hidden = true;
}
