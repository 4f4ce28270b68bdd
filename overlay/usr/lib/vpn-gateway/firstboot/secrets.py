"""Taking the secrets out of ``gateway.toml`` while leaving the rest as its author wrote it. No I/O."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

KEYS = frozenset({"passphrase", "admin_password"})
TABLE = ("vpn", "account")  # every value in it
TAKEN = "(taken; kept on the data partition)"

_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_.\s-]+?)\s*\]\s*(#.*)?")
_PAIR = re.compile(r"(\s*)([A-Za-z0-9_-]+)(\s*=)")


def without_secrets(text: str) -> str:
    """``text``, which is valid TOML, with every secret's value taken out.

    Line by line, so that comments and layout stay. TOML has more ways to write a value than one to a line (inline
    tables, dotted keys, strings of several lines): where one of them hid a secret from that, the file is written anew.
    """
    found = set(_secrets(tomllib.loads(text)))
    if not found:
        return text
    bare = "".join(_lines(text))
    try:
        left = set(_secrets(tomllib.loads(bare)))
    except tomllib.TOMLDecodeError:
        left = found
    if left or any(secret in bare for secret in found):
        return _anew(tomllib.loads(text))
    return bare


def _lines(text: str) -> Iterator[str]:
    table = ""
    for line in text.splitlines(keepends=True):
        content = line.rstrip("\r\n")
        if header := _HEADER.fullmatch(content):
            table = re.sub(r"\s", "", header[1])
        pair = _PAIR.match(content)
        if pair and (pair[2] in KEYS or table == ".".join(TABLE)):
            yield f'{pair[1]}# {pair[2]}{pair[3]} "{TAKEN}"{line[len(content) :]}'
        else:
            yield line


def _is_secret(path: tuple[str, ...]) -> bool:
    return path[-1] in KEYS or path[: len(TABLE)] == TABLE


def _leaves(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _secrets(table: Mapping[str, Any]) -> Iterator[str]:
    return (str(value) for path, value in _leaves(table) if _is_secret(path))


def _anew(table: Mapping[str, Any]) -> str:
    """The same settings without the secrets, and without the author's comments."""
    by_table: dict[tuple[str, ...], list[str]] = {}
    for path, value in _leaves(table):
        lines = by_table.setdefault(path[:-1], [])
        if _is_secret(path):
            lines.append(f'# {path[-1]} = "{TAKEN}"')
        else:
            lines.append(f"{path[-1]} = {json.dumps(value, ensure_ascii=False)}")
    parts = [f"[{'.'.join(path)}]\n" + "\n".join(lines) + "\n" for path, lines in by_table.items()]
    return "\n".join(parts)
