"""Imported files: the provider and location of their server, from the file and from the providers' lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.model import Server
from app.providers import bundle_lists
from app.providers.imported import parse_import
from app.providers.registry import Registry
from app.store import Store
from tests.support.file_calls import blocking_file_calls
from tests.support.providers import mullvad
from tests.support.providers.keys import key
from tests.support.providers.world import World

GOOD = Path(__file__).parents[2] / "data" / "conf" / "good"
OURS = "SKXuaP6gVYYQaJDe1XM4ILt32RnNonvEuBObfNM7iEk="  # from a label, never used anywhere

AIRVPN = f"""[Interface]
Address = 10.165.86.112/32, fd7d:76ee:e68f:a993::2/128
PrivateKey = {OURS}
MTU = 1320
DNS = 10.128.0.1, fd7d:76ee:e68f:a993::1

[Peer]
PublicKey = {key(7)}
Endpoint = nl3.vpn.airdns.org:1637
AllowedIPs = 0.0.0.0/0, ::/0
PersistentKeepalive = 15
"""


@pytest.fixture
def store(world: World) -> Iterator[Store]:
    found = Store(world.directory / "store")
    found.load()
    yield found
    found.close()


async def imported(store: Store, world: World, name: str, config: bytes) -> Server:
    store.add_server(*parse_import(name, config, added=0.0))
    servers = await Registry(store, world.environment()).get("imported").servers()
    return next(s for s in servers if s.hostname == name)


@pytest.mark.parametrize(
    ("file", "service", "location"),
    [
        ("px-proton-dashboard-v4.conf", "Proton VPN", "Norway"),
        ("px-mullvad-web.conf", "Mullvad", "Unknown"),
        ("px-windscribe.conf", "Windscribe", "Unknown"),
        ("px-nordlynx-unofficial.conf", "NordVPN", "Singapore"),
        ("px-wgeasy-client.conf", None, "Unknown"),
    ],
)
async def test_imported_file_shows_its_provider_and_location(
    store: Store, world: World, file: str, service: str | None, location: str
) -> None:
    server = await imported(store, world, "mine", (GOOD / file).read_bytes())
    assert (server.hosted_by, server.location) == (service, location)
    again = Store(world.directory / "copy")
    again.load()
    again.add_server(*parse_import("mine", (GOOD / file).read_bytes(), added=0.0))
    assert again.server("mine").service == service
    again.close()


async def test_imported_file_of_airvpn_is_recognized(store: Store, world: World) -> None:
    server = await imported(store, world, "air", AIRVPN.encode())
    assert (server.hosted_by, server.location) == ("AirVPN", "Netherlands")


async def test_imported_file_without_location_takes_it_from_a_list(store: Store, world: World) -> None:
    """The server's public key identifies it in the providers' lists."""
    data = mullvad.relay_list(mullvad.relay("se-got-wg-001", "185.213.154.66", key(7)))
    bundle_lists.bundle("mullvad", data, world.directory / "shipped")
    config = AIRVPN.replace("nl3.vpn.airdns.org:1637", "185.213.154.66:51820").encode()
    assert (await imported(store, world, "here", config)).location == "Unknown"
    world.shipped = world.directory / "shipped"
    registry = Registry(store, world.environment())
    with blocking_file_calls(world.shipped) as blocking:
        (server,) = await registry.get("imported").servers()
    assert blocking == []
    assert (server.city, server.country, server.country_code) == ("Gothenburg", "Sweden", "se")
    assert server.provider == "imported"
