"""Windscribe, and AirVPN without a sign-in: one file's key, addresses and preshared key for the public list."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from app import keys
from app.errors import NotImplementedYetError
from app.model import Endpoint, Peer, ProviderSettings, TunnelConfig
from app.providers.account_provider import SignInProvider
from app.providers.airvpn import AirVpnProvider
from app.providers.base import AccountProvider
from app.providers.errors import BadAnswerError, NotSignedInError
from app.providers.file_only import WindscribeProvider
from app.providers.registry import WITH_ACCOUNT
from tests.support.providers import airvpn_list, windscribe
from tests.support.providers.keys import key
from tests.support.providers.standin import StandIn
from tests.support.providers.world import World

PRESHARED = keys.generate().private_key


@dataclass
class FileCase:
    provider: type[SignInProvider]
    stand_in: type[StandIn]
    url: str
    public_key: str  # in the file
    endpoint: Endpoint
    servers: dict[str, str]  # hostname -> address to dial
    port: int

    async def start(self, world: World) -> Any:
        stand_in = self.stand_in()
        await world.serve(stand_in, **{self.provider.name: self.url})
        return stand_in

    def file(self) -> TunnelConfig:
        peer = Peer(self.public_key, self.endpoint, (ip_network("0.0.0.0/0"), ip_network("::/0")), 15, PRESHARED)
        addresses = (ip_interface("100.72.192.198/32"), ip_interface("fd54:4::fb7b:f62a:f021:4b75/128"))
        return TunnelConfig(keys.generate().private_key, addresses, (peer,), (ip_address("10.255.255.3"),))


CASES = [
    FileCase(
        WindscribeProvider,
        windscribe.Windscribe,
        "https://assets.windscribe.com",
        key(72),
        Endpoint("osl-101-wg.whiskergalaxy.com", 1194),
        {
            "arn-301.whiskergalaxy.com": "185.236.42.71",
            "arn-302.whiskergalaxy.com": "185.236.42.72",
            "osl-101.whiskergalaxy.com": "185.236.42.73",
        },
        1194,
    ),
    FileCase(
        AirVpnProvider,
        airvpn_list.AirVpnList,
        "https://airvpn.org",
        airvpn_list.PUBLIC_KEY,
        Endpoint("se.vpn.airdns.org", 1637),
        {"Copernicus": "185.236.43.81", "Fang": "185.236.43.82"},
        1637,
    ),
]

each = pytest.mark.parametrize("case", CASES, ids=lambda c: c.provider.name)


@each
async def test_one_file_opens_all_servers_with_its_preshared_key(world: World, case: FileCase) -> None:
    await case.start(world)
    provider = case.provider(world.environment())
    assert isinstance(provider, AccountProvider)
    assert case.provider in WITH_ACCOUNT
    file = case.file()
    match = await provider.match_file(file)
    assert match is not None
    assert match.servers is None
    assert (await provider.use_file_key("berlin", file)).from_file == "berlin"
    again = case.provider(world.environment())  # after a restart
    assert {s.hostname for s in await again.servers()} == set(case.servers)
    for hostname, address in case.servers.items():
        tunnel = await again.tunnel(hostname)
        assert (tunnel.private_key, tunnel.addresses, tunnel.dns) == (file.private_key, file.addresses, file.dns)
        (peer,) = tunnel.peers
        assert (peer.endpoint, peer.preshared_key) == (Endpoint(address, case.port), PRESHARED)
    (server,) = [s for s in await again.servers() if s.hostname == next(iter(case.servers))]
    assert (server.country, server.city, server.country_code) == ("Sweden", "Stockholm", "se")
    await again.sign_out()
    assert PRESHARED.reveal() not in world.everything_on_disk()


async def test_sign_in_is_refused_and_the_file_is_named_as_the_way(world: World) -> None:
    case = CASES[0]
    stand_in = await case.start(world)
    provider = case.provider(world.environment())
    with pytest.raises(NotImplementedYetError, match=r"import one of its \.conf files"):
        await provider.sign_in({})
    with pytest.raises(NotSignedInError, match=r"Import one of .* \.conf files, and use its key"):
        await provider.tunnel("anything")
    assert stand_in.seen == []
    assert not provider.capabilities.sign_in
    assert provider.due(world.environment().now() + 1e9) == frozenset()  # never contacted in the background


@each
async def test_chosen_port_is_dialled_if_the_servers_listen_there(world: World, case: FileCase) -> None:
    await case.start(world)
    provider = case.provider(world.environment())
    await provider.use_file_key("berlin", case.file())
    other = next(low for low, _ in provider._servers.port_ranges() if low != case.port)
    world.settings = ProviderSettings(port=other)
    provider.check_settings(world.settings)
    endpoint = (await provider.tunnel(next(iter(case.servers)))).peers[0].endpoint
    assert endpoint is not None
    assert endpoint.port == other


async def test_airvpn_dials_ipv6_where_asked_for(world: World) -> None:
    case = CASES[1]
    await case.start(world)
    provider = case.provider(world.environment())
    await provider.use_file_key("berlin", case.file())
    world.settings = ProviderSettings(ipv6_endpoint=True)
    assert (await provider.tunnel("Fang")).peers[0].endpoint == Endpoint("2a0d:5600:24:13::1", 1637)


async def test_servers_without_wireguard_are_left_out_with_the_reason(world: World) -> None:
    for case, expected in zip(
        CASES,
        (
            [("osl-102.whiskergalaxy.com", "it does not speak WireGuard", False)],
            [("Ain", "AirVPN reports a problem with it", False), ("Lupus", "it has no IPv4 address", False)],
        ),
        strict=True,
    ):
        await case.start(world)
        status = await case.provider(world.environment()).refresh()
        assert [(s.entry, s.reason, s.bad) for s in status.skipped] == expected


async def test_windscribe_list_with_bad_parts_keeps_the_good_ones(world: World) -> None:
    stand_in = await CASES[0].start(world)
    good = [windscribe.node(f"arn-{n}.whiskergalaxy.com", f"185.236.42.{n}") for n in range(1, 6)]
    bad = windscribe.node("arn-9.whiskergalaxy.com", "192.168.0.1")
    stand_in.servers = windscribe.server_list(
        windscribe.region("Sweden", "SE", windscribe.group("Stockholm", key(71), *good, bad), {"city": "No nodes"}),
        {"name": "No groups"},
        windscribe.region("A\nB", "XX", windscribe.group("x", key(73))),
    )
    status = await WindscribeProvider(world.environment()).refresh()
    assert status.servers == 5
    assert [(s.entry, s.bad) for s in status.skipped] == [
        ("arn-9.whiskergalaxy.com", True),
        ("data[0].groups[1]", True),
        ("data[1]", True),
        ("data[2]", True),
    ]


@each
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"{}", b"[]", b'{"data": [], "servers": []}', b"[" * 100_000]
)
async def test_broken_list_is_refused_and_no_key_is_used(world: World, case: FileCase, body: bytes) -> None:
    stand_in = await case.start(world)
    stand_in.servers = body
    provider = case.provider(world.environment())
    with pytest.raises(BadAnswerError):
        await provider.use_file_key("berlin", case.file())
    assert not (await provider.account()).signed_in
