from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.model import Settings
from app.network.plan import TransportPeer, TunnelPlan, exit_mark
from app.tunnel import outside as outside_module
from app.tunnel.exitcheck import Seen, parse
from app.tunnel.outside import Outside
from app.tunnel.states import Connected, Target, Tunnel

API = Path(__file__).parents[2] / "data" / "api"


@pytest.mark.parametrize("name", ["am-i-mullvad-connected.json", "am-i-mullvad-not-connected.json"])
def test_the_providers_answer_is_understood(name):
    body = (API / name).read_bytes()
    said = json.loads(body)
    assert parse(body) == Seen(said["ip"], said["mullvad_exit_ip"])


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (b"203.0.113.7\n", "203.0.113.7"),
        (b"2001:db8::7", "2001:db8::7"),
        (b'{"ip": "203.0.113.7"}', "203.0.113.7"),
        (b'{"ip": "203.0.113.7", "mullvad_exit_ip": "yes"}', "203.0.113.7"),
        (b'{"ip": 7}', None),
        (b'{"ip": "<script>"}', None),
        (b"<html>captive portal</html>", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"[]", None),
    ],
)
def test_only_an_address_is_an_address(body, address):
    assert parse(body) == (Seen(address) if address is not None else None)


# --- What the machine makes of it ------------------------------------------------------------------------------------


@dataclass
class Ports:
    """As much of netd as a look from outside needs."""

    settings: Settings = field(default_factory=Settings)
    told: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, exit_name: str) -> None:
        self.told.append(exit_name)
        self.heard.set()


@pytest.mark.parametrize(
    ("provider", "said", "confirmed"),
    [("mullvad", True, True), ("mullvad", False, False), ("mullvad", None, None), ("custom", False, None)],
)
async def test_mullvad_is_asked_whether_the_exit_is_its_own(monkeypatch, caplog, provider, said, confirmed):
    async def look(*_, **__):
        return Seen("203.0.113.7", said)

    monkeypatch.setattr("app.tunnel.outside.exit_address", look)
    plan = TunnelPlan("a", (), 1420, (), (), ())
    tunnel = Tunnel(Target(provider, "one"), plan, "key", TransportPeer(ip_address("203.0.113.1"), 51820))
    ports = Ports()
    outside = Outside("default", exit_mark(0), ports)
    state = Connected(tunnel, 1.0, 1.0)
    outside.follow(state)
    assert outside.seen(state) is None
    async with asyncio.timeout(5):
        await ports.heard.wait()
    assert outside.seen(state) == Seen("203.0.113.7", said)
    assert outside_module.confirmed(state, outside.seen(state)) is confirmed
    assert ports.told == ["default"]
    assert ("does not know 203.0.113.7" in caplog.text) is (confirmed is False)
