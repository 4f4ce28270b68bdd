"""The log kept in memory, and the verdicts of the leak test."""

from __future__ import annotations

import logging

import pytest

from app import keys
from app.netd.leak_test import address_check, dns_check, handshake_check
from app.netd.log_buffer import MAX_LINES, LogBuffer
from app.support.secrets import redact


def book(count: int) -> LogBuffer:
    made = LogBuffer()
    for n in range(1, count + 1):
        made.handle(logging.LogRecord("app.test", logging.INFO, "", 0, "line %d", (n,), None))
    return made


def test_the_last_lines_and_those_after_a_number() -> None:
    made = book(10)
    assert [line.message for line in made.read(2).lines] == ["line 9", "line 10"]
    page = made.read(3, after=4)
    assert ([line.number for line in page.lines], page.last) == ([5, 6, 7], 7)
    assert (made.read(3, after=10).lines, made.read(3, after=10).last) == ((), 10)
    assert [line.number for line in made.read(2, after=99).lines] == [9, 10]  # netd was started anew meanwhile


def test_no_more_than_so_many_are_kept() -> None:
    lines = book(MAX_LINES + 5).read(MAX_LINES * 2).lines
    assert (len(lines), lines[0].number) == (MAX_LINES, 6)


def test_every_key_is_struck_out() -> None:
    for _ in range(200):
        key = keys.generate().private_key.reveal()
        assert key not in redact(f"peer {key}, endpoint 192.0.2.1:51820")
        assert key not in redact(f"PrivateKey={key}")
        assert key not in redact(f"PresharedKey = {key}")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("account 1234123412341234 is gone", "1234123412341234"),
        ("account 1234 1234 1234 1234 is gone", "1234 1234 1234 1234"),
        ('{"password": "hunter2"}', "hunter2"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("token=s3cret", "s3cret"),
        ("got eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    ],
)
def test_other_secrets_too(text: str, secret: str) -> None:
    assert secret not in redact(text)


def test_what_is_no_secret_stays() -> None:
    text = "asking a provider at 192.0.2.1, TCP port 443 (tunnel)"
    assert redact(text) == text


def test_verdicts() -> None:
    assert handshake_check(None, 1000).result == "failed"
    assert handshake_check(990, 1000).result == "ok"
    assert handshake_check(700, 1000).result == "unknown"
    assert address_check("203.0.113.7", ("203.0.113.7",)).result == "failed"
    assert address_check("203.0.113.7", ("203.0.113.7",), "203.0.113.7", True).result == "failed"
    assert address_check("198.51.100.1", ("203.0.113.7",), "198.51.100.1").result == "ok"
    assert address_check("198.51.100.2", ("203.0.113.7",), "198.51.100.1", True).result == "ok"
    assert address_check("198.51.100.2", ("203.0.113.7",), "198.51.100.1", False).result == "failed"
    assert address_check("198.51.100.2", ("10.0.0.7",), "198.51.100.1").result == "unknown", "a router's, perhaps"
    assert dns_check(()).result == "unknown"
    assert dns_check(("10.64.0.1",)).result == "ok"
