/** What the page takes from its libraries, in one place. */

import { useEffect, useId, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";
import { Fragment, h, render } from "./vendor/preact.js";
import { batch, computed, effect, signal, useComputed, useSignal } from "./vendor/signals.js";

/** @import { VNode } from "./vendor/preact.js" */

/** Markup as a tagged template: html`<p class="hint">${text}</p>`. */
export const html = /** @type {(strings: TemplateStringsArray, ...values: unknown[]) => VNode<any>} */ (
  /** @type {unknown} */ (htm.bind(h))
);

export {
  batch,
  computed,
  effect,
  Fragment,
  render,
  signal,
  useComputed,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useSignal,
  useState,
};
