/** Gives the reader a file that the page has made or fetched. */

const KEPT = 60_000; // milliseconds that a slow browser may take to begin

/**
 * @param {Blob} content
 * @param {string} name
 */
export function download(content, name) {
  const address = URL.createObjectURL(content);
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT);
}

/**
 * @param {string} name
 * @param {string} text
 */
export const downloadText = (name, text) => download(new Blob([text], { type: "text/plain;charset=utf-8" }), name);
