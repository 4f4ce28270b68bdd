"""The lexer: bytes -> text -> sections of settings, by the shape of a .conf alone."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from app import encoding
from app.wgconf.types import ConfigError

MAX_BYTES = 64 * 1024

_LINE_END = re.compile(r"\r\n|\n|\r")  # str.splitlines() would also split at U+2028 and others
_SECTION = re.compile(r"[A-Za-z0-9_ .-]{1,40}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
# Names of settings that can be shown: short, or made of words. Any other may be a piece of a key.
_WORDS = re.compile(r"[A-Za-z0-9_-]{1,12}|(?:[A-Z]{0,3}[a-z]{2,12}[_-]?){1,8}(?:IPs|[0-9])?")


@dataclass(frozen=True)
class Entry:
    """``key = value`` on line ``line`` (from 1). ``raw`` is the value with what looks like a comment in it.

    Both may be empty.
    """

    line: int
    key: str
    value: str
    raw: str


@dataclass
class Section:
    name: str
    line: int
    entries: list[Entry] = field(default_factory=list[Entry])
    comments: list[str] = field(default_factory=list[str])


@dataclass
class Document:
    sections: list[Section]
    comments: list[str]  # those before the first section
    guessed: bool  # whether the encoding was


def decode(data: bytes | str) -> tuple[str, bool]:
    """The text, and whether its encoding had to be guessed. Raises ConfigError (too large, not text).

    A wrong guess can only matter in comments: every value is checked to be ASCII later.
    """
    size = len(data) if isinstance(data, bytes) or len(data) > MAX_BYTES else len(data.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        raise ConfigError(f"it is larger than {MAX_BYTES // 1024} KiB")
    if isinstance(data, str):
        return data.removeprefix("\ufeff"), False
    try:
        return encoding.decode(data)
    except encoding.NotTextError as error:
        raise ConfigError(str(error)) from None


def read(data: bytes | str) -> Document:
    """The sections of ``data``, in order. Raises ConfigError with the line."""
    text, guessed = decode(data)
    document = Document(sections=[], comments=[], guessed=guessed)
    for number, line in enumerate(_LINE_END.split(text), 1):
        _refuse_control_characters(number, line)
        setting, hash_sign, comment = line.partition("#")
        setting = setting.strip()
        if hash_sign:
            (document.sections[-1].comments if document.sections else document.comments).append(comment.strip())
        if setting.startswith("["):
            document.sections.append(Section(name=_section_name(number, setting), line=number))
        elif setting:
            if not document.sections:
                raise ConfigError("it must begin with [Interface]", line=number, key=_key_of(setting))
            document.sections[-1].entries.append(_entry(number, setting, line))
    return document


def _refuse_control_characters(number: int, line: str) -> None:
    if line.isprintable():  # the common case, in C
        return
    for character in line:
        if character != "\t" and unicodedata.category(character) in ("Cc", "Cs"):
            raise ConfigError(f"control character U+{ord(character):04X}", line=number, key=_key_of(line))


def _section_name(number: int, setting: str) -> str:
    name = setting[1:-1].strip()
    if not setting.endswith("]") or not _SECTION.fullmatch(name):
        raise ConfigError("a section is written [Interface] or [Peer]", line=number)
    return name


def _key_of(setting: str) -> str | None:
    """The name before the ``=``, where it can be shown; a piece of a key cannot."""
    key, equals, _ = setting.partition("=")
    return showable(key.strip()) if equals else None


def showable(key: str) -> str | None:
    """``key`` if it is a setting's name; None if it may be (a part of) a key that lost its line."""
    return key if _KEY.fullmatch(key) and _WORDS.fullmatch(key) else None


def _entry(number: int, setting: str, line: str) -> Entry:
    key, equals, value = setting.partition("=")
    key = key.strip()
    if not equals:
        raise ConfigError("this is neither a section nor a setting (Name = value)", line=number)
    if not _KEY.fullmatch(key):
        raise ConfigError("the text before the = is not a setting's name", line=number)
    return Entry(line=number, key=key, value=value.strip(), raw=line.partition("=")[2].strip())
