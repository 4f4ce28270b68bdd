"""The watcher: what it tells, asks and keeps."""

from __future__ import annotations

import json
import time
from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from app.model import Device, Neighbour, Settings
from app.netd.devices.mdns import MdnsListener
from app.netd.devices.mdns_message import query
from app.netd.devices.vendors import Vendors
from app.netd.devices.watcher import MAX_EVENTS, NAMES_ASKED, QUESTION_EVERY, SAVE_NEW_AFTER, DeviceWatcher
from app.protocol.events import DeviceChanged, SecurityAlert

NAS = "00:11:32:00:00:01"


class Lan:
    def __init__(self, directory, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.neighbours: tuple[Neighbour, ...] = ()
        self.clock = 1000.0
        self.events: list = []
        self.asked: list[str] = []
        self.mdns = MdnsListener(tuple)
        oui = directory / "oui.txt"
        oui.write_text("00-11-32   (hex)\t\tSynology Incorporated\r\n")
        self.path = directory / "devices.json"
        self.watcher = self.another(Vendors(oui))

    def another(self, vendors: Vendors | None = None) -> DeviceWatcher:
        return DeviceWatcher(
            path=self.path,
            settings=lambda: self.settings,
            leases=tuple,
            neighbours=lambda: self.neighbours,
            sending=tuple,
            mdns=self.mdns,
            ask=self.ask,
            own=frozenset,
            publish=self.events.append,
            vendors=vendors or Vendors(self.path),
            clock=lambda: self.clock,
        )

    async def ask(self, addresses) -> None:
        self.asked += map(str, addresses)

    async def look(self, after: float = 2.0) -> None:
        self.clock += after
        await self.watcher.look()


@pytest.fixture
def lan(tmp_path):
    return Lan(tmp_path)


def here(*macs: str) -> tuple[Neighbour, ...]:
    return tuple(Neighbour(mac, f"192.168.{77 + n // 250}.{n % 250 + 1}", time.time()) for n, mac in enumerate(macs))


async def test_device_is_told_with_vendor_and_kind_and_kept(lan):
    lan.neighbours = here(NAS)
    await lan.look()
    assert lan.events == [DeviceChanged(NAS, "appeared")]
    seen = lan.watcher.get(NAS)
    assert (seen.vendor, seen.kind, seen.online) == ("Synology Incorporated", "storage", True)
    assert not lan.path.exists()
    await lan.look(SAVE_NEW_AFTER)
    assert [d["mac"] for d in json.loads(lan.path.read_text())["devices"]] == [NAS]
    (kept,) = lan.another().devices
    assert (kept.mac, kept.vendor, kept.online) == (NAS, "Synology Incorporated", False)


async def test_new_devices_that_wait_raise_one_alert(lan):
    lan.settings = Settings(new_device_policy="wait", devices=(Device(NAS, own=False),))
    lan.neighbours = here(NAS)
    await lan.look()
    assert [e for e in lan.events if isinstance(e, SecurityAlert)] == []
    lan.neighbours = here(NAS, "02:00:00:00:00:07")
    await lan.look()
    (alert,) = [e for e in lan.events if isinstance(e, SecurityAlert)]
    assert (alert.reason, alert.device) == ("device_waiting", "02:00:00:00:00:07")
    await lan.look()
    assert len([e for e in lan.events if isinstance(e, SecurityAlert)]) == 1
    lan.neighbours = here(NAS, "02:00:00:00:00:07", *(f"02:00:00:00:01:{n:02x}" for n in range(9)))
    await lan.look()
    assert "and 4 more wait" in lan.events[-1].message


async def test_thousand_devices_do_not_push_all_events_out(lan):
    lan.neighbours = here(*(f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}" for n in range(1000)))
    await lan.look()
    assert len(lan.events) == MAX_EVENTS
    assert len(lan.watcher.devices) == 1000
    began = time.process_time()
    await lan.look()
    assert time.process_time() - began < 1.0  # of every two seconds, also on a slow machine


async def test_forgotten_device_that_is_here_appears_again(lan):
    lan.neighbours = here(NAS)
    await lan.look()
    assert lan.watcher.forget(NAS)
    assert not lan.watcher.forget("02:00:00:00:00:09")
    await lan.look()
    assert lan.events == [DeviceChanged(NAS, "appeared")] * 2


async def test_silent_device_is_asked_before_it_counts_as_gone(lan):
    lan.neighbours = here(NAS)
    await lan.look()
    lan.neighbours = tuple(replace(n, seen=n.seen - 100) for n in lan.neighbours)
    await lan.look(100)
    assert lan.asked == ["192.168.77.1"]
    lan.neighbours = tuple(replace(n, seen=n.seen - 100) for n in lan.neighbours)
    await lan.look(100)
    assert lan.events[-1] == DeviceChanged(NAS, "offline")


async def test_each_device_without_a_name_has_its_turn(lan, monkeypatch):
    """Those that never answer were asked each time, and nobody else."""
    asked: list[list[str]] = []
    monkeypatch.setattr(lan.mdns, "ask", lambda addresses: asked.append([str(a) for a in addresses]))
    macs = [f"02:00:00:00:00:{n:02x}" for n in range(NAMES_ASKED + 5)]
    for _ in range(2):
        lan.neighbours = here(*macs)
        await lan.look(QUESTION_EVERY)
    assert [len(names) for names in asked] == [NAMES_ASKED] * 2
    assert len({*asked[0], *asked[1]}) == len(macs)


def test_question_fits_into_one_packet_of_any_link():
    addresses = [ip_address(f"fd12::{n}") for n in range(NAMES_ASKED)]
    assert len(query(addresses)) <= 1280 - 40 - 8
