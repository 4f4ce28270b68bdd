/** The encoding of files (pure): the rules of app/encoding.py, tested with the same examples (tests/data/files.json). */

/**
 * The text of a file: UTF-8 or UTF-16, with or without a byte order mark, else Windows-1252.
 *
 * @param {ArrayBuffer} buffer
 */
export function decode(buffer) {
  const bytes = new Uint8Array(buffer);
  const [a, b] = bytes;
  let encoding = "utf-8";
  if ((a === 0xff && b === 0xfe) || (a && b === 0)) encoding = "utf-16le";
  else if ((a === 0xfe && b === 0xff) || (a === 0 && b)) encoding = "utf-16be";
  try {
    return new TextDecoder(encoding, { fatal: encoding === "utf-8" }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes).replace(/[\x80-\x9f]/g, "\ufffd"); // bytes without a character
  }
}
