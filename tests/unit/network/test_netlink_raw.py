"""Netlink attributes: what the quick readers find is what the plain one finds, whatever the bytes are."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from app.network.netlink_raw import attribute, attribute_list, attributes, equal_attributes

PAYLOADS = st.lists(st.binary(max_size=9), max_size=6).map(lambda found: b"".join(attribute(1, one) for one in found))
SAME = st.integers(0, 9).flatmap(
    lambda size: st.lists(st.binary(min_size=size, max_size=size), max_size=6).map(
        lambda found: b"".join(attribute(1, one) for one in found)
    )
)


@given(st.one_of(PAYLOADS, SAME, st.binary(max_size=40)))
@example(attribute(1, b"abcd") + attribute(1, b"efgh"))
@example(attribute(1, b"abcd") + attribute(1, b"") + attribute(1, b""))
@example(attribute(1, b"abcd") + b"\0\0\0\0\0\0\0\0")
def test_quick_readers_find_what_the_plain_one_finds(data: bytes) -> None:
    assert equal_attributes(data) == [payload for _, payload in attribute_list(data)]
    assert attributes(data) == dict(attribute_list(data))
