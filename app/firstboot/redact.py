"""The removal of secrets from ``gateway.toml``, which keeps the rest of the text as it is (pure)."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

KEYS = frozenset({"passphrase", "admin_password", "password"})
TABLE = ("vpn", "account")  # every value in it
TAKEN = "(taken; kept on the data partition)"

_HEADER = re.compile(r"\s*\[{1,2}\s*([A-Za-z0-9_.\s-]+?)\s*\]{1,2}\s*(#.*)?")  # of a table or of an array of tables
_PAIR = re.compile(r"(\s*)([A-Za-z0-9_-]+)(\s*=)")


def without_secrets(text: str) -> str:
    """``text``, which is valid TOML, without the value of any secret.

    It is processed by lines, so that comments and layout stay. TOML also has inline tables, dotted keys and multi-line
    strings: where a secret is left by one of these, the whole file is rewritten.
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
        return _rewritten(tomllib.loads(text))
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
        tables = _tables(value)
        for part in tables:
            yield from _leaves(part, (*path, key))
        if not tables:
            yield (*path, key), value


def _tables(value: Any) -> list[Mapping[str, Any]]:
    """The tables in ``value``, a table or an array of tables; none where it is anything else."""
    parts = value if isinstance(value, list) else [value]
    return parts if all(isinstance(part, dict) for part in parts) else []


def _secrets(table: Mapping[str, Any]) -> Iterator[str]:
    return (str(value) for path, value in _leaves(table) if _is_secret(path))


def _rewritten(table: Mapping[str, Any]) -> str:
    """The same settings without the secrets, and without the author's comments."""
    return "\n".join(_sections(table))


def _sections(table: Mapping[str, Any], path: tuple[str, ...] = (), header: str = "") -> Iterator[str]:
    lines: list[str] = []
    for key, value in table.items():
        if _tables(value):
            continue
        if _is_secret((*path, key)):
            lines.append(f'# {key} = "{TAKEN}"')
        else:
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    if lines or header.startswith("[["):  # an element of an array is kept even if it is empty
        yield "".join(f"{line}\n" for line in (header, *lines) if line)
    for key, value in table.items():
        name = ".".join((*path, key))
        for part in _tables(value):
            yield from _sections(part, (*path, key), f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
