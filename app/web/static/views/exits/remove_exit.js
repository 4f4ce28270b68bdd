/** The end of an exit: what its devices do next is said before. */

import { Button } from "../../components/button.js";
import { Question } from "../../components/question.js";
import { say } from "../../messages/messages.js";
import { removeExit } from "../../store/exit_actions.js";
import { exits } from "../../store/gateway.js";
import { deviceName, exitName } from "../../store/names.js";
import { html, useId, useSignal } from "../../ui.js";
import { usersOf } from "./words.js";

/** @import { ExitBody } from "../../../types/api.d.ts" */

/** @param {ExitBody} exit Whether anything names it as its way out. */
const isUsed = ({ devices, groups, default_policy }) => devices.length + groups.length > 0 || default_policy;

/** @param {ExitBody} exit */
function usersText(exit) {
  const names = [...exit.groups, ...usersOf(exit.name).map(deviceName)];
  if (exit.default_policy) return say("exits.used_by_all");
  return say("exits.used_by", { users: names.join(", ") || exit.devices.join(", ") });
}

/** @param {{ exit: ExitBody }} props */
export function RemoveExit({ exit }) {
  const asked = useSignal(false);
  const then = useSignal("blocked");
  const id = useId();
  const show = (/** @type {boolean} */ shown) => {
    asked.value = shown;
  };
  const used = isUsed(exit);
  const name = exitName(exit.name);
  const others = exits.value.filter((each) => each.name !== exit.name);
  return html`<${Button} kind="danger" icon="trash-2" action=${() => show(true)}>${say("exits.remove")}<//>
    ${
      asked.value &&
      html`<${Question}
        title=${say("exits.remove_title", { exit: name })}
        text=${used ? usersText(exit) : say("exits.unused")}
        verb=${say("exits.remove")}
        action=${() => removeExit(exit, used ? then.value : null)}
        close=${() => show(false)}
      >
        ${
          used &&
          html`<div class="field">
            <label for=${id}>${say("exits.then")}</label>
            <select
              id=${id}
              class="menu"
              value=${then.value}
              onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => {
                then.value = currentTarget.value;
              }}
            >
              <option value="blocked">${say("exits.then_blocked")}</option>
              ${others.map((each) => html`<option key=${each.name} value=${policyThen(each.name)}>${say("exits.then_exit", { exit: exitName(each.name) })}</option>`)}
              <option value="direct">${say("exits.then_direct")}</option>
            </select>
          </div>`
        }
      <//>`
    }`;
}

/** @param {string} exit As the API calls it in `then`. */
const policyThen = (exit) => (exit === "default" ? "default" : `exit:${exit}`);
