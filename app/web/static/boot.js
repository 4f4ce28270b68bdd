/** Starts the page for users who may see it, and shows the sign-in dialog to the others. */

import { get, session } from "./api.js";
import * as signIn from "./sign_in.js";

let who = null;
try {
  who = await get("/api/auth/session");
} catch {
  // The gateway is unreachable: the page says so, and tries again.
}

window.addEventListener("signed-out", async () => {
  // A request may be refused while the first password is being set, before the response brings the new cookie.
  await new Promise((done) => setTimeout(done, 500));
  try {
    const current = await get("/api/auth/session");
    if (current.authenticated) session.lost = false;
    else signIn.show(current);
  } catch {
    session.lost = false; // the next refusal tries again
  }
});

if (who && !who.authenticated) {
  session.lost = true;
  signIn.show(who);
} else {
  await import("./classic.js");
  if (who) (await import("./access.js")).setUp(who);
}
document.documentElement.dataset.ready = ""; // for tests: the page now reacts to input
