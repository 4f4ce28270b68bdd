/** Reads a QR code from a picture, where the browser can. */

/** @typedef {{ detect: (picture: ImageBitmap) => Promise<{ rawValue: string }[]> }} Detector */

/** @returns {(new (options: { formats: string[] }) => Detector) | null} null where this browser has none */
const detector = () => Reflect.get(globalThis, "BarcodeDetector") ?? null;

/** Whether this browser reads QR codes: only some do, and only over HTTPS. */
export const canRead = () => detector() !== null;

/** @param {File} file */
export const isPicture = (file) => file.type.startsWith("image/");

/**
 * The text of the first QR code in the picture; null where there is none.
 *
 * @param {File} file
 */
export async function textOf(file) {
  const Reader = detector();
  if (!Reader) return null;
  const picture = await createImageBitmap(file);
  try {
    const [found] = await new Reader({ formats: ["qr_code"] }).detect(picture);
    return found?.rawValue ?? null;
  } finally {
    picture.close();
  }
}
