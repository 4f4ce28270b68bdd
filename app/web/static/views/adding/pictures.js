/** Reads a QR code from a picture, in the browser: no picture leaves it. */

const LARGEST = 2048; // pixels of the longer side: a photo of a phone has more, and no code needs them
const PATIENCE = 3000; // milliseconds for a blurred one

/** @param {File} file */
export const isPicture = (file) => file.type.startsWith("image/");

/** @param {File} file */
async function pixelsOf(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(picture.width * scale);
  canvas.height = Math.ceil(picture.height * scale);
  const context = canvas.getContext("2d");
  context?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return context?.getImageData(0, 0, canvas.width, canvas.height) ?? null;
}

/**
 * The text of the first QR code in the picture; null where none can be read.
 *
 * @param {File} file
 */
export async function textOf(file) {
  const { decodeQR } = await import("../../vendor/qr/decode.js"); // later: few add a picture
  try {
    const pixels = await pixelsOf(file);
    return pixels && decodeQR(pixels, { timeLimit: PATIENCE });
  } catch {
    return null; // no picture, or no code in it: the decoder says both by an error
  }
}
