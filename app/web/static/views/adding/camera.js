/** Reads a QR code with the camera, in the browser: no picture leaves it. */

import { pixelsOf } from "./pixels.js";

const PATIENCE = 100; // milliseconds for one frame
const PAUSE = 100; // milliseconds between two, for the page to stay quick

/** Whether this browser gives the page a camera: over HTTPS, and on the gateway itself. */
export const hasCamera = () => Boolean(navigator.mediaDevices);

/**
 * The text of the first QR code that the camera sees; null once `signal` is aborted. Throws DOMException where there is
 * no camera, or its use is refused.
 *
 * @param {HTMLVideoElement} video shows what the camera sees
 * @param {AbortSignal} signal
 */
export async function textSeen(video, signal) {
  const { decodeQR } = await import("../../vendor/qr/decode.js"); // later: few use a camera
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  try {
    video.srcObject = stream;
    if (!signal.aborted) await video.play();
    const canvas = document.createElement("canvas");
    while (!signal.aborted) {
      const pixels = pixelsOf(video, video.videoWidth, video.videoHeight, canvas);
      try {
        if (pixels) return decodeQR(pixels, { timeLimit: PATIENCE });
      } catch {
        // no code in this frame: the decoder says so by an error
      }
      await new Promise((done) => setTimeout(done, PAUSE));
    }
    return null;
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}
