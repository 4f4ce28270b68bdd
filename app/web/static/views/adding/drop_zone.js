/** Where files are dropped or chosen; on a phone the same button offers the camera. */

import { sentenceOf } from "../../api/errors.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { tell } from "../../store/toasts.js";
import { html, useId, useSignal } from "../../ui.js";

/** @param {{ take: (files: File[]) => Promise<void> }} props */
export function DropZone({ take }) {
  const id = useId();
  const over = useSignal(false);
  async function given(/** @type {FileList | null | undefined} */ files) {
    try {
      await take([...(files ?? [])]);
    } catch (error) {
      tell(sentenceOf(error), { bad: true });
    }
  }
  function drag(/** @type {DragEvent} */ event) {
    event.preventDefault();
    over.value = event.type === "dragover";
    if (event.type === "drop") given(event.dataTransfer?.files);
  }
  async function chosen(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget: input }) {
    await given(input.files);
    input.value = ""; // the same file may be chosen again
  }
  return html`<div
    class="drop"
    data-over=${over.value}
    onDragOver=${drag}
    onDragLeave=${drag}
    onDrop=${drag}
  >
    <${Icon} icon="file-plus" />
    <label for=${id}>${say("adding.choose")}</label>
    <input
      id=${id}
      type="file"
      multiple
      accept=".conf,.txt,.zip,text/plain,application/zip,image/*"
      aria-describedby=${`${id}-pictures`}
      onChange=${chosen}
    />
    <p class="hint" id=${`${id}-pictures`}>${say("adding.pictures")}</p>
  </div>`;
}
