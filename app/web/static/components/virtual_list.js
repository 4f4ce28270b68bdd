/** A list of thousands of rows of one height: only those in sight are in the page, and it scrolls with the page. */

import { html, useEffect, useLayoutEffect, useRef, useSignal } from "../ui.js";

/** @import { Signal } from "../vendor/signals.js" */
/**
 * @template T
 * @typedef {import("../vendor/preact.js").RefObject<T | null>} Ref
 */

const BEYOND = 8; // rows above and below what is in sight, so that Tab and a quick thumb find the next one
const FIRST = 24; // rows until the first look

/**
 * @template {{ key: string }} T
 * @param {{ items: T[]; label: string; row: (item: T) => unknown }} props
 */
export function VirtualList({ items, label, row }) {
  const list = /** @type {Ref<HTMLUListElement>} */ (useRef(null));
  const seen = /** @type {Signal<{ from: number; to: number }>} */ (useSignal({ from: 0, to: FIRST }));
  const height = useRef(0);

  function look() {
    const [element, first] = [list.current, list.current?.firstElementChild];
    if (!element || !first) return;
    height.current = first.getBoundingClientRect().height;
    const { top } = element.getBoundingClientRect();
    const from = Math.max(0, Math.floor(-top / height.current) - BEYOND);
    const to = Math.max(0, Math.ceil((window.innerHeight - top) / height.current)) + BEYOND;
    if (from !== seen.value.from || to !== seen.value.to) seen.value = { from, to };
  }

  /** Up and down go from row to row, to the same control. */
  function move(/** @type {KeyboardEvent} */ event) {
    const row = event.target instanceof Element ? event.target.closest("li") : null;
    const beside = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
    const control = beside?.querySelector("button");
    if (!control) return;
    event.preventDefault();
    control.focus();
    look(); // the scroll event comes with the next frame, and the next key may come before it
  }

  useEffect(() => {
    document.addEventListener("scroll", look, { capture: true, passive: true }); // also that of a dialog
    window.addEventListener("resize", look);
    return () => {
      document.removeEventListener("scroll", look, { capture: true });
      window.removeEventListener("resize", look);
    };
  }, []);

  const from = Math.min(seen.value.from, Math.max(0, items.length - 1));
  const shown = items.slice(from, seen.value.to);
  useLayoutEffect(() => {
    if (!list.current) return;
    list.current.style.paddingTop = `${from * height.current}px`;
    list.current.style.paddingBottom = `${(items.length - from - shown.length) * height.current}px`;
    look();
  }, [items, from, shown.length]);

  return html`<ul ref=${list} class="virtual" aria-label=${label} onKeyDown=${move}>
    ${shown.map(
      (item, index) =>
        html`<li key=${item.key} aria-setsize=${items.length} aria-posinset=${from + index + 1}>${row(item)}</li>`,
    )}
  </ul>`;
}
