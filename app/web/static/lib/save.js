/** Texts that the reader keeps as a file. */

const LIFETIME = 60_000; // milliseconds: a browser may ask first where to put it

/**
 * @param {string} name
 * @param {string} text
 */
export function saveText(name, text) {
  const href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), LIFETIME);
}
