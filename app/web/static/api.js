/** The gateway's HTTP API. */

/** @import { Call, Get, Post } from "../types/call.d.ts" */

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

const MAX_RETRIES = 3;
const MAX_WAIT = 2; // seconds

/** Seconds that the gateway's clock is ahead of this browser's: a gateway may have no clock of its own. */
export const clock = { ahead: 0, now: () => Date.now() / 1000 + clock.ahead };

/** Whether the gateway refuses this browser's session: no request is sent before the next sign-in. */
export const session = { lost: false };

const SIGNED_OUT = new Set(["unauthorized", "invalid_token"]);

function signedOut() {
  if (session.lost) return;
  session.lost = true;
  window.dispatchEvent(new Event("signed-out"));
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
async function send(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  /** @type {RequestInit} */
  const options = { method, headers, cache: "no-store" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetchWithRetry(path, options);
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new ApiError(`The gateway's answer could not be read (${response.status}).`, {
      status: response.status,
    });
  }
  if (!response.ok) {
    if (response.status === 401 && SIGNED_OUT.has(answer.code)) signedOut();
    const retryAfter = Number(response.headers.get("Retry-After"));
    throw new ApiError(sentence(answer.error ?? response.statusText), {
      status: response.status,
      retryAfter,
      ...answer,
    });
  }
  return answer;
}

/**
 * Fetch, and wait and retry after 429, which comes when many pages open at once. A refused request has changed nothing.
 *
 * @param {string} path
 * @param {RequestInit} options
 */
async function fetchWithRetry(path, options) {
  for (let left = MAX_RETRIES; ; left -= 1) {
    let response;
    try {
      response = await fetch(path, options);
    } catch {
      throw new ApiError("The gateway cannot be reached. Is this device still on its network?");
    }
    const wait = Number(response.headers.get("Retry-After"));
    if (response.status !== 429 || !left || !(wait <= MAX_WAIT)) return response;
    await new Promise((done) => setTimeout(done, wait * 1000 * (1 + Math.random() / 2)));
  }
}

/** The types of body and answer are those of the operation, by its method and path: types/call.d.ts. */
export const call = /** @type {Call} */ (/** @type {unknown} */ (send));
export const get = /** @type {Get} */ (/** @type {unknown} */ (send.bind(null, "GET")));
export const post = /** @type {Post} */ (/** @type {unknown} */ (send.bind(null, "POST")));

/**
 * The text with a capital first letter, unless it begins with a name such as "vpn-se".
 *
 * @param {string} text
 */
export const sentence = (text) => (/^[a-z]+[ ,:]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text);

/**
 * The text to show for a thrown error.
 *
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * The API's code for the error; null = the error did not come from the API.
 *
 * @param {unknown} error
 */
export const codeOf = (error) => (error instanceof ApiError ? error.code : null);
