/** How long the first password can still be set, or how to open that window again. */

import { span } from "../lib/time.js";
import { say } from "../messages/messages.js";
import { locale } from "./preferences.js";
import { session } from "./session.js";

/** A sentence; the time is that of the last look at the session. */
export function passwordWindow() {
  const left = session.value?.first_password_seconds ?? 0;
  if (left <= 0) return say("no_password.closed");
  return say("no_password.window", { time: span(Math.ceil(left / 60) * 60, locale.value) });
}
