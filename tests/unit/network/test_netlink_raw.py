"""Netlink attributes: what the quick readers find is what the plain one finds, whatever the bytes are.

And what the threads that have read something keep of it.
"""

from __future__ import annotations

import threading
import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st

from app.network import rtnetlink
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


def test_a_thread_that_has_read_something_keeps_no_buffer() -> None:
    """A buffer for each thread's socket was 128 kB, and a gateway has a dozen such threads."""
    end = threading.Event()
    read: list[threading.Event] = []

    def thread(done: threading.Event) -> None:
        rtnetlink.dump(rtnetlink.GET_LINK)
        done.set()
        end.wait(60)

    tracemalloc.start()
    try:
        for _ in range(8):
            read.append(threading.Event())
            threading.Thread(target=thread, args=(read[-1],), daemon=True).start()
            assert read[-1].wait(60)
        assert tracemalloc.get_traced_memory()[0] < 3 * 128 * 1024
    finally:
        tracemalloc.stop()
        end.set()
