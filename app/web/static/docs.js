/** The API's description as a page: every operation with its parameters, bodies, answers and examples. */

import { h } from "./dom.js";

const page = document.getElementById("page");
const NEEDS = { read: "read", connect: "connect", admin: "admin" };

let api;

function resolve(part) {
  if (!part?.$ref) return part;
  return part.$ref
    .slice(2)
    .split("/")
    .reduce((at, key) => at[key], api);
}

/** Paragraphs, with `code` as code. */
function prose(text) {
  return (text ?? "")
    .split(/\n\s*\n/)
    .filter(Boolean)
    .map((paragraph) => h("p", {}, ...paragraph.split("`").map((part, n) => (n % 2 ? h("code", {}, part) : part))));
}

function typeText(schema) {
  schema = schema ?? {};
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.map(typeText).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `[${typeText(schema.items)}]`;
  if (schema.type === "object" && schema.additionalProperties) return `{*: ${typeText(schema.additionalProperties)}}`;
  return [schema.type ?? "any", schema.format ? `(${schema.format})` : ""].join(" ").trim();
}

function limits(schema) {
  const parts = schema?.anyOf?.find((option) => option.type !== "null") ?? schema ?? {};
  const found = [];
  for (const [key, text] of [
    ["minimum", "≥"],
    ["maximum", "≤"],
    ["minLength", "length ≥"],
    ["maxLength", "length ≤"],
    ["maxItems", "items ≤"],
    ["pattern", "matches"],
  ]) {
    if (key in parts) found.push(`${text} ${parts[key]}`);
  }
  if (schema && "default" in schema && schema.default !== null) found.push(`default ${JSON.stringify(schema.default)}`);
  return found.join(", ");
}

/** A table of fields; the types that they name open in place. */
function fields(schema, seen = []) {
  schema = resolve(schema);
  if (!schema?.properties) return h("p", { class: "type" }, typeText(schema));
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
              ...inner(part, seen),
            ),
          ),
        ),
      ),
    ),
  );
}

function inner(part, seen) {
  return references(part)
    .filter((name) => !seen.includes(name))
    .map((name) =>
      h("details", {}, h("summary", {}, name), fields({ $ref: `#/components/schemas/${name}` }, [...seen, name])),
    );
}

function references(part) {
  if (part === null || typeof part !== "object") return [];
  if (part.$ref) return [part.$ref.split("/").at(-1)].filter((name) => api.components.schemas[name]?.properties);
  return [
    ...new Set(
      ["items", "additionalProperties", "anyOf", "oneOf", "prefixItems"].flatMap((key) =>
        [part[key] ?? []].flat().flatMap(references),
      ),
    ),
  ];
}

function examples(content) {
  return Object.values(content?.examples ?? {}).map(({ summary, value }) =>
    h(
      "figure",
      {},
      h("figcaption", {}, summary ?? "Example"),
      h("pre", { tabindex: "0" }, typeof value === "string" ? value : JSON.stringify(value, null, 2)),
    ),
  );
}

function section(title, ...children) {
  return h("section", {}, h("h4", {}, title), ...children.flat());
}

function body(requestBody) {
  return Object.entries(requestBody.content).map(([type, content]) =>
    section(
      `Body · ${type}${requestBody.required ? "" : " · may be left out"}`,
      content.schema ? fields(content.schema) : h("p", {}, "The content as it is."),
      examples(content),
    ),
  );
}

function answers(responses) {
  return Object.entries(responses)
    .filter(([status]) => status < 300)
    .flatMap(([status, response]) =>
      Object.entries(resolve(response).content ?? {}).map(([type, content]) =>
        section(`Answer ${status} · ${type}`, content.schema ? fields(content.schema) : [], examples(content)),
      ),
    );
}

function errors(responses) {
  const rows = Object.entries(responses).filter(([status]) => status >= 300);
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

/** A form that sends the request, for operations that change nothing. */
function tryOut(path, operation) {
  const answer = h("pre", { class: "answer", tabindex: "0", hidden: true });
  const inputs = (operation.parameters ?? []).map((parameter) => [
    parameter,
    h("input", { name: parameter.name, required: parameter.required, autocomplete: "off", spellcheck: "false" }),
  ]);
  const send = async (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    let target = path;
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value !== "") query.append(parameter.name, input.value);
    }
    answer.hidden = false;
    answer.textContent = "...";
    try {
      const response = await fetch(query.size ? `${target}?${query}` : target);
      const text = await response.text();
      answer.textContent = `${response.status} ${response.statusText}\n\n${pretty(text)}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  };
  return h(
    "form",
    { class: "try", onsubmit: send },
    ...inputs.map(([parameter, input]) => h("label", {}, parameter.name, input)),
    h("button", {}, "Send"),
    answer,
  );
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text.length > 20000 ? `${text.slice(0, 20000)}\n...` : text;
  }
}

function needs(operation) {
  const scope = operation.security?.flatMap((need) => Object.values(need).flat())[0];
  return NEEDS[scope] ?? "public";
}

function one(path, method, operation) {
  const details = h(
    "details",
    { class: "operation", id: operation.operationId },
    h(
      "summary",
      {},
      h("span", { class: `method ${method}` }, method.toUpperCase()),
      h("code", { class: "path" }, path),
      h("span", { class: "about" }, operation.summary),
      h("span", { class: "scope", title: "scope" }, needs(operation)),
    ),
  );
  // Filled when it is first opened: the page is there at once.
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    details.append(
      h(
        "div",
        { class: "inside" },
        ...prose(operation.description),
        operation.parameters ? section("Parameters", parameters(operation.parameters)) : null,
        ...(operation.requestBody ? body(operation.requestBody) : []),
        ...answers(operation.responses),
        errors(operation.responses),
        method === "get" && operation.responses["200"] && operation.operationId !== "keypair"
          ? section("Try it", tryOut(path, operation))
          : null,
      ),
    );
  });
  return details;
}

function group(tag) {
  const found = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(tag.name))
      .map(([method, operation]) => one(path, method, operation)),
  );
  return h("section", { class: "group" }, h("h2", {}, tag.name), ...prose(tag.description), ...found);
}

function filter(event) {
  const wanted = event.target.value.trim().toLowerCase();
  for (const operation of page.querySelectorAll(".operation")) {
    operation.hidden = !operation.querySelector("summary").textContent.toLowerCase().includes(wanted);
  }
  for (const part of page.querySelectorAll(".group")) part.hidden = !part.querySelector(".operation:not([hidden])");
}

function openNamed() {
  const operation = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (operation?.matches(".operation")) {
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
      h("p", {}, h("a", { href: "/" }, "To the gateway")),
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
  .catch((error) => page.replaceChildren(h("p", {}, `The description cannot be shown: ${error.message}`)))
  .finally(() => page.removeAttribute("aria-busy"));
