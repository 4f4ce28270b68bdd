/** The gateway's HTTP API. */

export class ApiError extends Error {
  constructor(message, { status = 0, code = "unreachable", field = null, retryAfter = 0 } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
    this.retryAfter = retryAfter;
  }
}

const PATIENCE = 3; // times
const LONGEST_WAIT = 2; // seconds

/** Seconds that the gateway's clock is ahead of this browser's: a gateway may have no clock of its own. */
export const clock = { ahead: 0, now: () => Date.now() / 1000 + clock.ahead };

/** Whether the gateway no longer knows us: then nothing is asked until somebody has signed in. */
export const session = { lost: false };

const SIGNED_OUT = new Set(["unauthorized", "invalid_token"]);

function signedOut() {
  if (session.lost) return;
  session.lost = true;
  window.dispatchEvent(new Event("signed-out"));
}

export async function call(method, path, body) {
  const options = { method, headers: { Accept: "application/json" }, cache: "no-store" };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await ask(path, options);
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new ApiError(`The gateway gave an answer that cannot be read (${response.status}).`, {
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

/** Asked to slow down, as when many pages open at once, it does: what was refused has changed nothing. */
async function ask(path, options) {
  for (let left = PATIENCE; ; left -= 1) {
    let response;
    try {
      response = await fetch(path, options);
    } catch {
      throw new ApiError("The gateway cannot be reached. Is this device still on its network?");
    }
    const wait = Number(response.headers.get("Retry-After"));
    if (response.status !== 429 || !left || !(wait <= LONGEST_WAIT)) return response;
    await new Promise((done) => setTimeout(done, wait * 1000 * (1 + Math.random() / 2)));
  }
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);

/** With a capital, unless it begins with a name such as "vpn-se". */
export const sentence = (text) => (/^[a-z]+[ ,:]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);
