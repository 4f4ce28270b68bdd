/** A view that is loaded when it is first shown, so that the first page stays small. */

import { moved } from "../store/location.js";
import { html, useEffect, useState } from "../ui.js";

/**
 * @param {() => Promise<unknown>} load Resolves to the component.
 */
export function later(load) {
  return function Later(/** @type {Record<string, unknown>} */ props) {
    const [view, setView] = useState(/** @type {{ component: unknown } | null} */ (null));
    useEffect(() => {
      load().then((component) => setView({ component }));
    }, []);
    useEffect(() => {
      // A view that came by a link takes the focus, as those do that need not be loaded.
      const heading = view && moved.value && document.querySelector("#view h1");
      if (heading instanceof HTMLElement) heading.focus({ preventScroll: true });
    }, [view]);
    return view && html`<${view.component} ...${props} />`;
  };
}
