"""The MTU of a tunnel, and where it comes from."""

from __future__ import annotations

import pytest

from app.tunnel.mtu import choose_mtu


@pytest.mark.parametrize(
    ("by_exit", "by_provider", "more", "expected"),
    [
        (1300, 1380, {"given": 1400}, (1300, "exit")),
        (None, 1380, {"given": 1400}, (1380, "provider")),
        (None, None, {"given": 1400, "found": 1350}, (1400, "server")),
        (None, None, {"found": 1350}, (1350, "found")),
        (None, None, {"found": 1420}, (1420, "route")),  # no less than the WAN allows
        (None, None, {}, (1420, "route")),
        (None, None, {"wan_mtu": 1492}, (1412, "route")),  # PPPoE
        (None, None, {"wan_mtu": 1300}, (1280, "route")),  # IPv6 needs 1280
    ],
)
def test_most_particular_mtu_counts(by_exit, by_provider, more, expected):
    given = {"given": None, "wan_mtu": 1500, **more}
    assert choose_mtu(by_exit, by_provider, **given) == expected
