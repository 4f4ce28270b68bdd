/** The page of the API: every operation with its parameters, bodies, responses and examples. */

import { $, h, within } from "./dom.js";

/** @import { Body, Content, Description, Operation, Parameter, Reference, Schema, Tag } from "../../types/openapi.d.ts" */

const page = $("page");
const SCOPES = new Set(["read", "connect", "admin"]);

/** @type {Description} */
let api;

/**
 * The part of the description that `part` refers to, or `part` itself.
 *
 * @template {object} T
 * @param {T | Reference} part
 * @returns {T}
 */
function resolve(part) {
  if (!("$ref" in part) || !part.$ref) return /** @type {T} */ (part);
  return part.$ref
    .slice(2)
    .split("/")
    .reduce((/** @type {any} */ at, key) => at[key], api);
}

/**
 * The text as paragraphs, with `code` marked up.
 *
 * @param {string | undefined} text
 */
function prose(text) {
  return (text ?? "")
    .split(/\n\s*\n/)
    .filter(Boolean)
    .map((paragraph) => h("p", {}, ...paragraph.split("`").map((part, n) => (n % 2 ? h("code", {}, part) : part))));
}

/** @param {string} reference */
const componentName = (reference) => reference.slice(reference.lastIndexOf("/") + 1);

/**
 * @param {Schema} [schema]
 * @returns {string}
 */
function typeText(schema = {}) {
  if (schema.$ref) return componentName(schema.$ref);
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.map((option) => typeText(option)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `[${typeText(schema.items)}]`;
  if (schema.type === "object" && schema.additionalProperties) return `{*: ${typeText(schema.additionalProperties)}}`;
  return [schema.type ?? "any", schema.format ? `(${schema.format})` : ""].join(" ").trim();
}

/** @param {Schema} schema */
function limits(schema) {
  const constrained = schema.anyOf?.find((option) => option.type !== "null") ?? schema;
  const parts = [];
  for (const [key, text] of /** @type {const} */ ([
    ["minimum", "≥"],
    ["maximum", "≤"],
    ["minLength", "length ≥"],
    ["maxLength", "length ≤"],
    ["maxItems", "items ≤"],
    ["pattern", "matches"],
  ])) {
    if (key in constrained) parts.push(`${text} ${constrained[key]}`);
  }
  if ("default" in schema && schema.default !== null) parts.push(`default ${JSON.stringify(schema.default)}`);
  return parts.join(", ");
}

/**
 * A table of fields, in which the types that they name can be opened.
 *
 * @param {Schema} part
 * @param {string[]} [seen]
 */
function fields(part, seen = []) {
  const schema = resolve(part);
  if (!schema.properties) return h("p", { class: "type" }, typeText(schema));
  const required = new Set(schema.required ?? []);
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        ...Object.entries(schema.properties).map(([name, part]) =>
          h(
            "tr",
            {},
            h(
              "th",
              { scope: "row" },
              h("code", {}, name),
              required.has(name) ? h("span", { class: "must", title: "required" }, "*") : null,
            ),
            h(
              "td",
              {},
              h("code", { class: "type" }, typeText(part)),
              " ",
              h("span", { class: "limits" }, limits(part)),
              ...nestedTypes(part, seen),
            ),
          ),
        ),
      ),
    ),
  );
}

/**
 * @param {Schema} part
 * @param {string[]} seen
 * @returns {HTMLElement[]}
 */
function nestedTypes(part, seen) {
  return references(part)
    .filter((name) => !seen.includes(name))
    .map((name) =>
      h("details", {}, h("summary", {}, name), fields({ $ref: `#/components/schemas/${name}` }, [...seen, name])),
    );
}

/**
 * The names of the schemas with fields to which a schema refers.
 *
 * @param {Schema} part
 * @returns {string[]}
 */
function references({ $ref, items, additionalProperties, anyOf, oneOf, prefixItems }) {
  if ($ref) return [componentName($ref)].filter((name) => api.components.schemas[name]?.properties);
  const parts = [items, additionalProperties, anyOf, oneOf, prefixItems].flatMap((each) => each ?? []);
  return [...new Set(parts.flatMap(references))];
}

/** @param {Content} content */
function examples(content) {
  return Object.values(content.examples ?? {}).map(({ summary, value }) =>
    h(
      "figure",
      {},
      h("figcaption", {}, summary ?? "Example"),
      h("pre", { tabindex: "0" }, typeof value === "string" ? value : JSON.stringify(value, null, 2)),
    ),
  );
}

/**
 * @param {string} title
 * @param {...(HTMLElement | HTMLElement[])} children
 */
function section(title, ...children) {
  return h("section", {}, h("h4", {}, title), ...children.flat());
}

/** @param {Body} requestBody */
function body(requestBody) {
  return Object.entries(requestBody.content).map(([type, content]) =>
    section(
      `Body · ${type}${requestBody.required ? "" : " · optional"}`,
      content.schema ? fields(content.schema) : h("p", {}, "The raw content."),
      examples(content),
    ),
  );
}

/** @param {Operation["responses"]} responses */
function responseSections(responses) {
  return Object.entries(responses)
    .filter(([status]) => Number(status) < 300)
    .flatMap(([status, response]) =>
      Object.entries(resolve(response).content ?? {}).map(([type, content]) =>
        section(`Response ${status} · ${type}`, content.schema ? fields(content.schema) : [], examples(content)),
      ),
    );
}

/** @param {Operation["responses"]} responses */
function errors(responses) {
  const rows = Object.entries(responses).filter(([status]) => Number(status) >= 300);
  return h(
    "details",
    {},
    h("summary", {}, `Errors: ${rows.map(([status]) => status).join(", ")}`),
    h(
      "ul",
      { class: "errors" },
      ...rows.map(([status, response]) =>
        h("li", {}, h("b", {}, status), " ", ...prose(resolve(response).description)),
      ),
    ),
  );
}

/** @param {Parameter[]} list */
function parameters(list) {
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        ...list.map((parameter) =>
          h(
            "tr",
            {},
            h(
              "th",
              { scope: "row" },
              h("code", {}, parameter.name),
              parameter.required ? h("span", { class: "must", title: "required" }, "*") : null,
            ),
            h(
              "td",
              {},
              parameter.in,
              ", ",
              h("code", { class: "type" }, typeText(parameter.schema)),
              " ",
              h("span", { class: "limits" }, limits(parameter.schema)),
            ),
          ),
        ),
      ),
    ),
  );
}

/**
 * A form that sends the request of a read-only operation.
 *
 * @param {string} path
 * @param {Operation} operation
 */
function tryOut(path, operation) {
  const output = h("pre", { class: "answer", tabindex: "0", hidden: true });
  const inputs = (operation.parameters ?? []).map((parameter) => ({
    parameter,
    input: h("input", { name: parameter.name, required: parameter.required, autocomplete: "off", spellcheck: "false" }),
  }));
  const send = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    let target = path;
    for (const { parameter, input } of inputs) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value !== "") query.append(parameter.name, input.value);
    }
    output.hidden = false;
    output.textContent = "...";
    try {
      const response = await fetch(query.size ? `${target}?${query}` : target);
      const text = await response.text();
      output.textContent = `${response.status} ${response.statusText}\n\n${formatted(text)}`;
    } catch (error) {
      output.textContent = String(error);
    }
  };
  return h(
    "form",
    { class: "try", onsubmit: send },
    ...inputs.map(({ parameter, input }) => h("label", {}, parameter.name, input)),
    h("button", {}, "Send"),
    output,
  );
}

/** @param {string} text */
function formatted(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text.length > 20000 ? `${text.slice(0, 20000)}\n...` : text;
  }
}

/** @param {Operation} operation */
function requiredScope(operation) {
  const scope = operation.security.flatMap((need) => Object.values(need).flat())[0];
  return scope && SCOPES.has(scope) ? scope : "public";
}

/**
 * @param {string} path
 * @param {string} method
 * @param {Operation} operation
 */
function operationDetails(path, method, operation) {
  const details = h(
    "details",
    { class: "operation", id: operation.operationId },
    h(
      "summary",
      {},
      h("span", { class: `method ${method}` }, method.toUpperCase()),
      h("code", { class: "path" }, path),
      h("span", { class: "about" }, operation.summary),
      h("span", { class: "scope", title: "scope" }, requiredScope(operation)),
    ),
  );
  // The content is made when the operation is first opened, so that the page loads fast.
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    details.append(
      h(
        "div",
        { class: "inside" },
        ...prose(operation.description),
        operation.parameters ? section("Parameters", parameters(operation.parameters)) : null,
        ...(operation.requestBody ? body(operation.requestBody) : []),
        ...responseSections(operation.responses),
        errors(operation.responses),
        method === "get" && operation.responses[200] && operation.operationId !== "keypair"
          ? section("Try it", tryOut(path, operation))
          : null,
      ),
    );
  });
  return details;
}

/** @param {Tag} tag */
function group(tag) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(tag.name))
      .map(([method, operation]) => operationDetails(path, method, operation)),
  );
  return h("section", { class: "group" }, h("h2", {}, tag.name), ...prose(tag.description), ...operations);
}

/** @param {string} selector */
const elements = (selector) => /** @type {NodeListOf<HTMLElement>} */ (page.querySelectorAll(selector));

/** @param {{ currentTarget: HTMLInputElement }} event */
function filter(event) {
  const wanted = event.currentTarget.value.trim().toLowerCase();
  for (const operation of elements(".operation")) {
    operation.hidden = !within(operation, "summary").textContent.toLowerCase().includes(wanted);
  }
  for (const part of elements(".group")) part.hidden = !part.querySelector(".operation:not([hidden])");
}

function openNamed() {
  const operation = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (operation instanceof HTMLDetailsElement && operation.matches(".operation")) {
    operation.open = true;
    operation.scrollIntoView();
  }
}

async function show() {
  const response = await fetch("/api/openapi.json");
  if (!response.ok) {
    page.replaceChildren(
      h("h1", {}, "VPN Gateway API"),
      h("p", {}, response.status === 401 ? "Sign in first." : `The description cannot be read (${response.status}).`),
      h("p", {}, h("a", { href: "/" }, "Back to the gateway")),
    );
    return;
  }
  api = await response.json();
  page.replaceChildren(
    h(
      "header",
      {},
      h("h1", {}, `${api.info.title} API`, h("small", {}, api.info.version)),
      ...prose(api.info.description),
      h(
        "p",
        {},
        h("a", { href: "/api/openapi.json" }, `OpenAPI ${api.openapi}`),
        " · ",
        h("a", { href: "/" }, "The gateway"),
      ),
    ),
    h(
      "label",
      { class: "find" },
      "Find",
      h("input", { type: "search", oninput: filter, autocomplete: "off", spellcheck: "false" }),
    ),
    ...api.tags.map(group),
  );
  openNamed();
}

window.addEventListener("hashchange", openNamed);
show()
  .catch((error) =>
    page.replaceChildren(
      h("p", {}, `The description cannot be shown: ${error instanceof Error ? error.message : String(error)}`),
    ),
  )
  .finally(() => page.removeAttribute("aria-busy"));
