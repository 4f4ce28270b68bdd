/** The forms that add a server: from a WireGuard configuration, or field by field. */

import { ApiError, messageOf, post, sentence } from "./api.js";
import { $, h, setText, whileBusy, within } from "./dom.js";
import * as fileKey from "./file_key.js";
import { decode, serverName } from "./files.js";
import { fieldOf } from "./forms.js";
import * as servers from "./servers.js";
import { toast } from "./toast.js";

/** @import { CustomServerBody, ImportBody, Success } from "../types/api.d.ts" */

const REQUIRED = new Set(["name", "config", "endpoint", "public_key"]); // other fields are left out where they are empty
/** @type {{ file: string; name: string } | null} the file that filled the form, and the name derived from its own */
let loadedFile = null;
const MAX_FILE_SIZE = 256 * 1024; // bytes; real files have a few hundred

export function setUp() {
  showForm("import");
  $("tab-import").addEventListener("click", () => showForm("import"));
  $("tab-custom").addEventListener("click", () => showForm("custom"));
  const [importing, custom] = [$("import-form", HTMLFormElement), $("custom-form", HTMLFormElement)];
  importing.addEventListener("submit", (event) => submit(event, importing, "imported"));
  custom.addEventListener("submit", (event) => submit(event, custom, "custom"));
  for (const form of [importing, custom]) {
    form.addEventListener("input", ({ target }) => clearError(fieldOf(target)));
  }
  setUpFiles();
}

/** @param {string} kind */
function showForm(kind) {
  for (const name of ["import", "custom"]) {
    $(`tab-${name}`).setAttribute("aria-pressed", String(name === kind));
    $(`${name}-form`).hidden = name !== kind;
  }
}

function setUpFiles() {
  const dropZone = within(document, ".drop");
  const input = $("import-file", HTMLInputElement);
  input.addEventListener("change", () => loadFile(input.files?.[0]));
  for (const name of /** @type {const} */ (["dragover", "dragleave", "drop"])) {
    dropZone.addEventListener(name, (event) => {
      event.preventDefault();
      dropZone.classList.toggle("over", name === "dragover");
      if (name === "drop") loadFile(event.dataTransfer?.files[0]);
    });
  }
}

/** @param {File | undefined} file */
async function loadFile(file) {
  if (!file) return;
  loadedFile = null;
  const form = $("import-form", HTMLFormElement);
  clearErrors(form);
  if (file.size > MAX_FILE_SIZE) {
    showFormError(form, `${file.name} is too large to be a WireGuard configuration.`, "config");
    return;
  }
  $("import-config", HTMLTextAreaElement).value = decode(await file.arrayBuffer());
  setText($("drop-text"), file.name);
  loadedFile = { file: file.name, name: serverName(file.name) };
  const name = $("import-name", HTMLInputElement);
  name.value = loadedFile.name;
  clearError(fieldOf(name));
  name.focus();
}

/**
 * @param {SubmitEvent} event
 * @param {HTMLFormElement} form
 * @param {"imported" | "custom"} provider
 */
async function submit(event, form, provider) {
  event.preventDefault();
  clearErrors(form);
  form.querySelector(".file-key")?.remove(); // the offer of an earlier import
  /** @type {Record<string, string>} */
  const body = {};
  for (const [name, value] of new FormData(form)) {
    if (typeof value !== "string") continue;
    const text = name === "config" ? value : value.trim();
    if (text || REQUIRED.has(name)) body[name] = text;
  }
  if (provider === "imported" && loadedFile && body.name === loadedFile.name) {
    // The user did not choose this name, so the gateway may change it where a server has it already.
    body.file = loadedFile.file;
    delete body.name;
  }
  await whileBusy(within(form, "[type=submit]", HTMLButtonElement), async () => {
    try {
      const answer = await (provider === "imported"
        ? post("/api/import", /** @type {ImportBody & typeof body} */ (body))
        : post("/api/custom/add", /** @type {CustomServerBody & typeof body} */ (body)));
      showAdded(answer.server ?? body.name ?? "", answer, provider === "custom" && !body.private_key);
      form.reset();
      if (answer.opens) form.append(fileKey.notice(answer.opens));
      if (provider === "imported") loadedFile = null;
      setText($("drop-text"), "Choose a file or drop it here");
      await servers.showProvider(provider);
    } catch (error) {
      showFormError(form, messageOf(error), error instanceof ApiError ? error.field : null);
    }
  });
}

/**
 * @param {string} name
 * @param {Success} answer
 * @param {boolean} keyGenerated
 */
function showAdded(name, answer, keyGenerated) {
  toast(`${name} was added`);
  for (const warning of answer.warnings ?? []) toast(`${name}: ${warning}`, { stays: true });
  if (keyGenerated && answer.public_key) {
    toast(["Enter this public key at the server: ", h("code", {}, answer.public_key)], { stays: true });
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {string} text
 * @param {string | null} field
 */
function showFormError(form, text, field) {
  // "name: letters and digits only" is shown below the field, without the name.
  const prefixed = field && text.toLowerCase().startsWith(`${field}: `);
  const message = prefixed ? sentence(text.slice(field.length + 2)) : text;
  const place = field && form.querySelector(`[data-field="${CSS.escape(field)}"]`);
  if (!place) {
    const general = within(form, ".form-error");
    general.hidden = false;
    general.textContent = message;
    return;
  }
  place.closest("details")?.setAttribute("open", "");
  const errorText = within(place, ".error");
  errorText.hidden = false;
  errorText.textContent = message;
  const input = within(place, "input, textarea");
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

/** @param {Element | null} place */
function clearError(place) {
  if (!place) return;
  within(place, ".error").hidden = true;
  within(place, "input, textarea").removeAttribute("aria-invalid");
}

/** @param {HTMLFormElement} form */
function clearErrors(form) {
  form.querySelectorAll(".field").forEach(clearError);
  within(form, ".form-error").hidden = true;
}
