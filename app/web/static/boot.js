/** Who is there? The page starts for those who may see it; others sign in first. */

import { get, session } from "./api.js";
import * as signin from "./signin.js";

let who = null;
try {
  who = await get("/api/auth/session");
} catch {
  // Out of reach: the page says so, and asks again.
}

window.addEventListener("signed-out", async () => {
  // Whoever sets the first password may be refused once, before the answer with the new cookie is here.
  await new Promise((done) => setTimeout(done, 500));
  try {
    const now = await get("/api/auth/session");
    if (now.authenticated) session.lost = false;
    else signin.show(now);
  } catch {
    session.lost = false; // the next refusal tries again
  }
});

if (who && !who.authenticated) {
  session.lost = true;
  signin.show(who);
} else {
  await import("./main.js");
  if (who) (await import("./access.js")).setUp(who);
}
document.documentElement.dataset.ready = ""; // for tests: from now on the page listens
