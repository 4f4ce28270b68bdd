/** The title of the page in the browser's tab. */

import { say } from "../messages/messages.js";
import { useEffect } from "../ui.js";

/** @param {string} text What is shown, before the name of the page. */
export function useTitle(text) {
  useEffect(() => {
    document.title = `${text} · ${say("app.name")}`;
  }, [text]);
}
