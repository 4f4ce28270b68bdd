/** The gateway's HTTP API: `get`, `post` and `call`, typed by its own description. */

/** @import { Call, Get, Post } from "../../types/call.d.ts" */

/** An answer that is no success, by the API's stable code; "unreachable" where there was no answer. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number; code?: string; field?: string | null; retryAfter?: number }} [details]
   */
  constructor(message, { status = 0, code = "unreachable", field = null, retryAfter = 0 } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
    this.retryAfter = retryAfter;
  }
}

const MOST_RETRIES = 3;
const LONGEST_WAIT = 2; // seconds
const SIGNED_OUT = new Set(["unauthorized", "invalid_token"]);

const events = new EventTarget();

/** @param {() => unknown} listener Called where the gateway no longer takes this browser's session. */
export const onSignedOut = (listener) => events.addEventListener("signed-out", listener);

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
async function send(method, path, body) {
  const json = { type: "application/json", body: JSON.stringify(body) };
  const response = await ask(method, path, body === undefined ? undefined : json);
  return response.json().catch(() => {
    throw new ApiError(response.statusText, { status: response.status, code: "unreadable" });
  });
}

/**
 * Ask for what is no JSON, or send it: a file, a text. Throws ApiError.
 *
 * @param {string} method
 * @param {string} path
 * @param {{ type: string; body: BodyInit }} [content]
 */
export async function ask(method, path, content) {
  const response = await fetchPatiently(path, {
    method,
    headers: { Accept: "application/json", ...(content ? { "Content-Type": content.type } : {}) },
    cache: "no-store",
    ...(content ? { body: content.body } : {}),
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  if (response.status === 401 && SIGNED_OUT.has(answer?.code)) events.dispatchEvent(new Event("signed-out"));
  throw new ApiError(answer?.error ?? response.statusText, {
    status: response.status,
    code: answer?.code ?? "unreadable",
    field: answer?.field ?? null,
    retryAfter: Number(response.headers.get("Retry-After")),
  });
}

/**
 * Fetch, and ask again after 429, which comes where many pages open at once: a refused request has changed nothing.
 *
 * @param {string} path
 * @param {RequestInit} options
 */
async function fetchPatiently(path, options) {
  for (let left = MOST_RETRIES; ; left -= 1) {
    const response = await fetch(path, options).catch(() => {
      throw new ApiError("the gateway does not answer");
    });
    const wait = Number(response.headers.get("Retry-After"));
    if (response.status !== 429 || !left || !(wait <= LONGEST_WAIT)) return response;
    await new Promise((done) => setTimeout(done, wait * 1000 * (1 + Math.random() / 2)));
  }
}

/** The types of body and answer are those of the operation, by its method and path: types/call.d.ts. */
export const call = /** @type {Call} */ (/** @type {unknown} */ (send));
export const get = /** @type {Get} */ (/** @type {unknown} */ (send.bind(null, "GET")));
export const post = /** @type {Post} */ (/** @type {unknown} */ (send.bind(null, "POST")));
