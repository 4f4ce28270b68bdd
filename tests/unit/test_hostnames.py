"""Host names that users may enter for a server, and mistyped addresses."""

from __future__ import annotations

import pytest

from app.hostnames import is_host_name

LONGEST = ".".join(["a" * 49] * 5) + ".abc"  # 253 characters


@pytest.mark.parametrize("text", ["router", "pool.ntp.org", "Pool.NTP.org.", "0.pool.ntp.org", "a-1.b", LONGEST])
def test_host_names_are_accepted(text: str) -> None:
    assert is_host_name(text)


@pytest.mark.parametrize(
    "text", ["", ".", "a..b", "-a.b", "a_b", "a b", "pool.ntp.org; reboot", "300.1.2.3", "192.0.2.1:123", LONGEST + "d"]
)
def test_mistyped_addresses_are_refused(text: str) -> None:
    assert not is_host_name(text)
