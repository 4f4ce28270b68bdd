/** Reads a QR code from a picture, in the browser: no picture leaves it. */

import { pixelsOf } from "./pixels.js";

const PATIENCE = 3000; // milliseconds for a blurred one

/** @param {File} file */
export const isPicture = (file) => file.type.startsWith("image/");

/**
 * The text of the first QR code in the picture; null where none can be read.
 *
 * @param {File} file
 */
export async function textOf(file) {
  const { decodeQR } = await import("../../vendor/qr/decode.js"); // later: few add a picture
  try {
    const picture = await createImageBitmap(file);
    const pixels = pixelsOf(picture, picture.width, picture.height);
    picture.close();
    return pixels && decodeQR(pixels, { timeLimit: PATIENCE });
  } catch {
    return null; // no picture, or no code in it: the decoder says both by an error
  }
}
