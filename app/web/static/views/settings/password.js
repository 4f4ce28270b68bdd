/** The password and the second factor. */

import { session } from "../../store/session.js";
import { html } from "../../ui.js";
import { ChangePassword } from "./change_password.js";
import { FirstPassword } from "./first_password.js";
import { SecondFactor } from "./second_factor.js";

export function PasswordSection() {
  const who = session.value;
  if (!who) return null;
  if (!who.password_set) return html`<${FirstPassword} who=${who} />`;
  return html`<${ChangePassword} secondFactor=${who.second_factor} /><${SecondFactor} on=${who.second_factor} />`;
}
