/** Adding servers: import a .conf, or enter the parts by hand. */

import { post, sentence } from "./api.js";
import { $, h, setText, whileBusy } from "./dom.js";
import { decode, serverName } from "./files.js";
import * as servers from "./servers.js";
import { toast } from "./toast.js";

const REQUIRED = new Set(["name", "config", "endpoint", "public_key"]); // what is empty elsewhere is not sent
let taken = null; // the file that the form was filled from, and the name that was made of its own
const LARGEST = 256 * 1024; // bytes; real files have a few hundred

export function setUp() {
  choose("import");
  $("tab-import").addEventListener("click", () => choose("import"));
  $("tab-custom").addEventListener("click", () => choose("custom"));
  $("import-form").addEventListener("submit", (event) => send(event, "/api/import", "imported"));
  $("custom-form").addEventListener("submit", (event) => send(event, "/api/custom/add", "custom"));
  for (const form of [$("import-form"), $("custom-form")]) {
    form.addEventListener("input", ({ target }) => clear(target.closest(".field")));
  }
  setUpFiles();
}

function choose(kind) {
  for (const name of ["import", "custom"]) {
    $(`tab-${name}`).setAttribute("aria-pressed", String(name === kind));
    $(`${name}-form`).hidden = name !== kind;
  }
}

function setUpFiles() {
  const zone = document.querySelector(".drop");
  $("import-file").addEventListener("change", ({ target }) => take(target.files[0]));
  for (const name of ["dragover", "dragleave", "drop"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files[0]);
    });
  }
}

async function take(file) {
  if (!file) return;
  taken = null;
  reset($("import-form"));
  if (file.size > LARGEST) {
    showError($("import-form"), {
      message: `${file.name} is too large to be a WireGuard configuration.`,
      field: "config",
    });
    return;
  }
  $("import-config").value = decode(await file.arrayBuffer());
  setText($("drop-text"), file.name);
  taken = { file: file.name, name: serverName(file.name) };
  $("import-name").value = taken.name;
  clear($("import-name").closest(".field"));
  $("import-name").focus();
}

async function send(event, path, provider) {
  event.preventDefault();
  const form = event.currentTarget;
  reset(form);
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
  await whileBusy(event.submitter ?? form.querySelector("[type=submit]"), async () => {
    try {
      const answer = await post(path, body);
      added(answer.server ?? body.name, answer, provider === "custom" && !body.private_key);
      form.reset();
      if (provider === "imported") taken = null;
      setText($("drop-text"), "Choose a file or drop it here");
      await servers.showProvider(provider);
    } catch (error) {
      showError(form, error);
    }
  });
}

function added(name, answer, madeKey) {
  toast(`${name} was added`);
  for (const warning of answer.warnings ?? []) toast(`${name}: ${warning}`, { stays: true });
  if (madeKey && answer.public_key) {
    toast(["Enter this public key at the server: ", h("code", {}, answer.public_key)], { stays: true });
  }
}

function showError(form, { message: whole, field }) {
  // "name: letters and digits only" stands below the field: no need to repeat which.
  const own = field && whole.toLowerCase().startsWith(`${field}: `);
  const message = own ? sentence(whole.slice(field.length + 2)) : whole;
  const place = field && form.querySelector(`[data-field="${CSS.escape(field)}"]`);
  if (!place) {
    const general = form.querySelector(".form-error");
    general.hidden = false;
    general.textContent = message;
    return;
  }
  place.closest("details")?.setAttribute("open", "");
  const text = place.querySelector(".error");
  text.hidden = false;
  text.textContent = message;
  const input = place.querySelector("input, textarea");
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

function clear(place) {
  if (!place) return;
  place.querySelector(".error").hidden = true;
  place.querySelector("input, textarea").removeAttribute("aria-invalid");
}

function reset(form) {
  form.querySelectorAll(".field").forEach(clear);
  form.querySelector(".form-error").hidden = true;
}
