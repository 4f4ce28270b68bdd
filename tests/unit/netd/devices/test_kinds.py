"""The kind of a device, guessed."""

from __future__ import annotations

import pytest

from app.netd.devices.kinds import kind_of


@pytest.mark.parametrize(
    ("vendor", "name", "services", "kind"),
    [
        (None, None, (), "unknown"),
        ("Apple, Inc.", "Annas-iPhone", (), "phone"),
        (None, "Galaxy-S23", (), "phone"),
        (None, "iPad", (), "tablet"),
        ("HP Inc.", "npi1234", ("_ipp._tcp", "_http._tcp"), "printer"),
        (None, "LG-webOS-TV", (), "tv"),
        ("Google, Inc.", None, ("_googlecast._tcp",), "tv"),
        ("Sonos, Inc.", None, (), "speaker"),
        ("Espressif Inc.", None, (), "home"),
        ("Synology Incorporated", "files", ("_smb._tcp", "_adisk._tcp"), "storage"),
        (None, "thinkpad-x1", (), "computer"),
        ("Nintendo Co.,Ltd", None, (), "console"),
    ],
)
def test_kind_is_guessed(vendor, name, services, kind):
    assert kind_of(vendor, name, services) == kind
