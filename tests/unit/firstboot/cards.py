"""Parts of a gateway.toml, the faults of an invalid one, and networkd's files for a valid one."""

from __future__ import annotations

import pytest

from app.firstboot import render
from app.firstboot.gateway_toml import ConfigError, parse
from app.firstboot.paths import Paths

STATIC = (
    "[network.wan_address]\naddress = '203.0.113.7/24'\ngateway = '203.0.113.1'\ndns = ['203.0.113.1', '2001:db8::1']\n"
)
WIFI_WAN = "[wifi]\ncountry = 'SE'\n[wifi.wan]\nssid = 'Hotel'\n"


def files(paths: Paths, text: str) -> dict[str, str]:
    return render.networkd(parse(text), paths.wan_network.read_text())


def lines(text: str, section: str) -> list[str]:
    """The settings of one section of a .network or .netdev file, without comments."""
    found: list[str] = []
    here = ""
    for line in text.splitlines():
        if line.startswith("["):
            here = line.strip("[]")
        elif here == section and line and not line.startswith("#"):
            found.append(line)
    return found


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(text)
    return list(error.value.faults)
