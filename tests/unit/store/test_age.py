"""The age format: what others write is read, what is written is authentic, and a bomb is told before it goes off."""

from __future__ import annotations

import base64
import resource
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.store import age

# Made by rage 0.11 (through pyrage 1.4.0): the passphrase is "correct horse", the content as below.
BY_RAGE = base64.b64decode(
    """
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCB6KzEwdWRrVHBqQkNRbVFtMyswRktBIDE2Clg4V1dnU1daeGpqWnhPTzJR
VVQ0ay9Nc0NFVHBVVXQ0TGJqMnRGUmhmUVUKLS0tIE9mSG9RZXNmcmhPL05CdDNwY3kzQVROSnE3NVdvMkhuaFE0T2txRGcwVzAK
CN0y42X0cSzOrIIqJQxLZS6e8Zo6AEfQsHSAwUL3uu6Y9xzIbBP1T00SZ41VM9ahcFS5/fdP6EirL9LV8wvYCjn5aMjsyB3BcyvQ
uo1lJhiDnSzjFGI1AgEUlBkpCxyM8ipQt3EFN3twII4=
"""
)


def sealed(content=b"x", passphrase="p"):
    return age.encrypt(content, passphrase, work_factor=4)


def test_reads_what_rage_wrote():
    assert age.decrypt(BY_RAGE, "correct horse") == b"made elsewhere\n" * 5


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 200_000])
def test_round_trip_at_the_edges_of_chunks(size):
    content = bytes(i % 251 for i in range(size))
    assert age.decrypt(sealed(content), "p") == content


def test_two_encryptions_share_only_the_first_line():
    """Two files of the same plaintext have only the first line in common."""
    one, two = sealed(b"a" * 1000), sealed(b"a" * 1000)
    assert one.splitlines()[0] == two.splitlines()[0]
    assert one.splitlines()[2] != two.splitlines()[2]
    assert one[-500:] != two[-500:]


def test_wrong_passphrase_is_distinguished_from_damage():
    with pytest.raises(age.WrongPassphraseError):
        age.decrypt(sealed(), "q")


DAMAGED = sealed(b"content " * 20_000)


@given(place=st.integers(0, len(DAMAGED) - 1), flip=st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_any_changed_byte_is_noticed(place, flip):
    data = bytearray(DAMAGED)
    data[place] ^= flip
    with pytest.raises(age.AgeError):
        age.decrypt(bytes(data), "p", max_work_factor=6)


@given(length=st.integers(0, len(DAMAGED) - 1))
@settings(max_examples=200, deadline=None)
def test_any_shortened_file_is_noticed(length):
    with pytest.raises(age.AgeError):
        age.decrypt(DAMAGED[:length], "p")


def test_chunks_that_change_places_repeat_or_trail_are_noticed():
    size = 64 * 1024 + 16
    start = len(DAMAGED) - len(b"content " * 20_000) - 3 * 16
    header, chunks = DAMAGED[:start], [DAMAGED[start + i * size : start + (i + 1) * size] for i in range(3)]
    assert age.decrypt(header + b"".join(chunks), "p")
    for order in ([1, 0, 2], [0, 1], [0, 2], [0, 1, 2, 2], [0, 0, 1, 2]):
        with pytest.raises(age.AgeError):
            age.decrypt(header + b"".join(chunks[i] for i in order), "p")
    with pytest.raises(age.AgeError):
        age.decrypt(DAMAGED + b"\0", "p")


@pytest.mark.parametrize("factor", [b"19", b"30", b"63", b"99"])
def test_a_work_factor_bomb_is_refused_at_once(factor):
    lines = sealed().split(b"\n", 2)
    lines[1] = lines[1].rsplit(b" ", 1)[0] + b" " + factor
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(age.WorkFactorError):
        age.decrypt(b"\n".join(lines), "p")
    assert time.monotonic() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000  # KiB


@pytest.mark.parametrize("factor", [b"0", b"04", b"+4", b"-4", b"4 4", b"0x4", b"100", b"", b"4\r"])
def test_a_malformed_work_factor_is_refused(factor):
    lines = sealed().split(b"\n", 2)
    lines[1] = lines[1].rsplit(b" ", 1)[0] + b" " + factor
    with pytest.raises(age.AgeError):
        age.decrypt(b"\n".join(lines), "p")


def test_a_second_recipient_is_refused():
    data = sealed()
    first, stanza, rest = data.split(b"\n", 2)
    body, rest = rest.split(b"\n", 1)
    doubled = b"\n".join((first, stanza, body, stanza, body, rest))
    with pytest.raises(age.AgeError):
        age.decrypt(doubled, "p")
