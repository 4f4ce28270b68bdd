"""The MTU of a tunnel, and where it comes from."""

from __future__ import annotations

import pytest

from app.model import MtuSettings
from app.tunnel.mtu import choose_mtu

SETTINGS = MtuSettings(exits={"second": 1300}, providers={"mullvad": 1380})


@pytest.mark.parametrize(
    ("exit_name", "provider", "more", "expected"),
    [
        ("second", "mullvad", {"given": 1400}, (1300, "exit")),
        ("default", "mullvad", {"given": 1400}, (1380, "provider")),
        ("default", "imported", {"given": 1400, "found": 1350}, (1400, "server")),
        ("default", "imported", {"found": 1350}, (1350, "found")),
        ("default", "imported", {"found": 1420}, (1420, "route")),  # no less than the WAN allows
        ("default", "imported", {}, (1420, "route")),
        ("default", "imported", {"wan_mtu": 1492}, (1412, "route")),  # PPPoE
        ("default", "imported", {"wan_mtu": 1300}, (1280, "route")),  # IPv6 needs 1280
    ],
)
def test_most_particular_mtu_counts(exit_name, provider, more, expected):
    given = {"given": None, "wan_mtu": 1500, **more}
    assert choose_mtu(SETTINGS, exit_name, provider, **given) == expected
