"""QR codes, drawn as SVG."""

from __future__ import annotations

import io


def svg(text: str) -> str:
    """A QR code as a whole SVG document, without script or style."""
    import segno  # noqa: PLC0415 - only where somebody looks at one

    buffer = io.BytesIO()
    segno.make(text, error="m").save(buffer, kind="svg", scale=5, border=4, dark="#000", light="#fff", xmldecl=False)
    return buffer.getvalue().decode()
