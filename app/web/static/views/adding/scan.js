/** A QR code held before the camera: a button, where the browser gives a camera, and a dialog that looks. */

import { sentenceOf } from "../../api/errors.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { say } from "../../messages/messages.js";
import { tell } from "../../store/toasts.js";
import { html, useEffect, useRef, useSignal } from "../../ui.js";
import { hasCamera, textSeen } from "./camera.js";

/** @type {Record<string, import("../../messages/messages.js").Key>} by the name of the browser's error */
const PROBLEMS = { NotAllowedError: "adding.camera_refused", NotFoundError: "adding.camera_missing" };

/** @param {{ seen: (text: string) => Promise<unknown>; close: () => void }} props */
function Looking({ seen, close }) {
  const video = /** @type {import("../../vendor/preact.js").RefObject<HTMLVideoElement | null>} */ (useRef(null));
  const problem = useSignal("");
  async function look(/** @type {AbortSignal} */ signal) {
    if (!video.current) return;
    const text = await textSeen(video.current, signal).catch((/** @type {Error} */ { name }) => {
      problem.value = say(PROBLEMS[name] ?? "adding.camera_failed");
      return null;
    });
    if (text === null) return;
    close();
    await seen(text).catch((error) => tell(sentenceOf(error), { bad: true }));
  }
  useEffect(() => {
    const closed = new AbortController();
    look(closed.signal);
    return () => closed.abort();
  }, []);
  return html`<${Dialog} title=${say("adding.scan")} close=${close}>
    ${
      problem.value
        ? html`<p class="error" role="alert">${problem.value}</p>`
        : html`<p class="hint" role="status">${say("adding.hold")}</p>
            <video class="camera" ref=${video} muted playsinline aria-label=${say("adding.camera")}></video>`
    }
  <//>`;
}

/** @param {{ seen: (text: string) => Promise<unknown> }} props `seen` gets the text of the code. */
export function Scan({ seen }) {
  const open = useSignal(false);
  const set = (/** @type {boolean} */ now) => () => {
    open.value = now;
  };
  if (!hasCamera()) return null;
  return html`<p><${Button} icon="scan-qr-code" action=${set(true)}>${say("adding.scan")}<//></p>
    ${open.value && html`<${Looking} seen=${seen} close=${set(false)} />`}`;
}
