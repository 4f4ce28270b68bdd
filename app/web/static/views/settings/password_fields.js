/** The fields of a new password, typed twice, and the others that forms about access share. */

import { ApiError } from "../../api/client.js";
import { say } from "../../messages/messages.js";

export const newPassword = () => [
  { name: "password", label: say("access.new_password"), type: "password", autocomplete: "new-password" },
  { name: "again", label: say("access.again"), type: "password", autocomplete: "new-password" },
];

/** @param {string} name The present password, under the name that the API has for it. */
export const presentPassword = (name) => ({
  name,
  label: say("access.your_password"),
  type: "password",
  autocomplete: "current-password",
});

export const code = () => ({ name: "code", label: say("field.code"), autocomplete: "one-time-code" });

/** @param {Record<string, string>} values */
export function checkRepeated({ password, again }) {
  if (password !== again) throw new ApiError(say("access.differ"), { code: "differ", field: "again" });
}
