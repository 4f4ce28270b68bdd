"""The tokenizer of nft(8)'s language (pure)."""

from __future__ import annotations

import re

_TOKEN = re.compile(r'"[^"]*"|!=|==|[ \t]+|::[0-9a-f:]*(?:/\d+)?|[{}(),;&|=:]|[\w@./-][\w@./:-]*|\n')


class Reader:
    """A reader of a text's tokens in order. All methods raise ValueError for an unexpected token."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._at = 0

    @property
    def next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.next
        if not token or (expected and token not in expected):
            raise ValueError(f"unsupported: {token!r} after {' '.join(self._tokens[max(0, self._at - 6) : self._at])}")
        self._at += 1
        return token

    def take_all(self, text: str) -> None:
        for word in text.split():
            self.take(word)

    def accept(self, token: str) -> bool:
        if self.next == token:
            self._at += 1
            return True
        return False

    def skip_lines(self) -> None:
        while self.next in {"\n", ";"}:
            self._at += 1


def tokens(text: str) -> list[str]:
    found: list[str] = []
    end = 0
    while end < len(text):
        match = _TOKEN.match(text, end)
        if match is None:
            raise ValueError(f"unsupported: {text[end : end + 20]!r}")
        if match[0].strip(" \t"):
            found.append(match[0])
        end = match.end()
    return found
