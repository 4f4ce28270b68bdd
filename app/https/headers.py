"""Values of HTTP headers (pure but for the clock)."""

from __future__ import annotations

import time

from app.https.transport import Destination

LONGEST_PAUSE = 3600.0  # seconds; a longer Retry-After is cut to this


def host_header(to: Destination, standard_port: int = 443) -> str:
    """The value of ``Host`` for ``to`` (RFC 9110 7.2)."""
    host = f"[{to.host}]" if ":" in to.host else to.host
    return host if to.port == standard_port else f"{host}:{to.port}"


def retry_after(text: str | None) -> float | None:
    """Seconds (RFC 9110 10.2.3: a number or a date), within reason; None where there is nothing usable."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_PAUSE)
    import email.utils  # noqa: PLC0415 - a third of a megabyte, and servers seldom name a date

    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(moment.timestamp() - time.time(), 0.0), LONGEST_PAUSE)
