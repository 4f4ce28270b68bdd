"""The decoder of files that people edit: gateway.toml and .conf files, from the card or the API (pure).

The first-boot step, which the whole start waits for, imports this module as well; so it imports next to nothing.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

FALLBACK = "cp1252"  # the "ANSI" code page of Windows in western Europe and America

_MARKS = (
    (codecs.BOM_UTF32_LE, None),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, None),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class NotTextError(ValueError):
    """The bytes are in an unsupported text encoding; the message says how to save the file."""


class Decoded(NamedTuple):
    text: str
    guessed: bool  # neither Unicode nor ASCII: letters beyond ASCII may be wrong


def decode(data: bytes) -> Decoded:
    """The text of ``data``: UTF-8 or UTF-16, with or without a byte order mark, else Windows' code page.

    Raises NotTextError.

    Any bytes are valid text in a code page, so another one than the western shows wrong letters; ASCII is right in all
    of them. Bytes that the code page does not define become U+FFFD.
    """
    encoding: str | None = "utf-8"
    for mark, name in _MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    else:
        # A configuration begins with ASCII: in UTF-16 one of the first two bytes is zero.
        if len(data) >= 2 and (data[0] == 0) != (data[1] == 0):
            encoding = "utf-16-le" if data[1] == 0 else "utf-16-be"
    if encoding is None:
        raise NotTextError("it is UTF-32 text; save it as UTF-8")
    try:
        return Decoded(data.decode(encoding), guessed=False)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise NotTextError("it is damaged UTF-16 text; save it as UTF-8") from None
        return Decoded(data.decode(FALLBACK, "replace"), guessed=True)
