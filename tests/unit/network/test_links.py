"""What the kernel's messages say of an interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.network import links
from app.network.links import is_port, members, read_links

ETHERNET = 1
BRIDGE, RADIO, CABLE = 2, 3, 4
# As the kernel tells of a port of a bridge: the kind of its master, and none of its own.
SLAVE = {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": []})]}


class Kernel:
    """Answers of rtnetlink: a bridge with an access point's radio and a cable in it."""

    async def get_addr(self) -> AsyncIterator[dict[str, Any]]:
        return _each()

    async def get_links(self) -> AsyncIterator[dict[str, Any]]:
        bridge = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
        return _each(
            _link(BRIDGE, "br-lan", ("IFLA_LINKINFO", bridge)),
            _link(RADIO, "radio0", ("IFLA_MASTER", BRIDGE), ("IFLA_LINKINFO", SLAVE)),
            _link(CABLE, "lan0", ("IFLA_MASTER", BRIDGE), ("IFLA_LINKINFO", SLAVE)),
        )


async def _each(*messages: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    for message in messages:
        yield message


def _link(index: int, name: str, *attrs: tuple[str, Any]) -> dict[str, Any]:
    return {"index": index, "flags": 1, "ifi_type": ETHERNET, "attrs": [("IFLA_IFNAME", name), *attrs]}


async def test_radio_stays_a_radio_in_the_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "radio0" / "phy80211").mkdir(parents=True)
    monkeypatch.setattr(links, "SYS", tmp_path)
    state = await read_links(Kernel())
    assert [name for name, link in state.items() if link.radio] == ["radio0"]
    assert [name for name, link in state.items() if is_port(link)] == ["lan0"]
    assert members("br-lan", state) == {"lan0"}
