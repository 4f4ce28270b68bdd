/** The pixels of a picture or a film, no larger than a QR code needs. */

const LARGEST = 2048; // pixels of the longer side: a photo of a phone has more

/**
 * @param {CanvasImageSource} source
 * @param {number} width of `source`
 * @param {number} height of `source`
 * @param {HTMLCanvasElement} canvas to draw on
 */
export function pixelsOf(source, width, height, canvas = document.createElement("canvas")) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  canvas.width = Math.ceil(width * scale);
  canvas.height = Math.ceil(height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context?.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context?.getImageData(0, 0, canvas.width, canvas.height) ?? null;
}
