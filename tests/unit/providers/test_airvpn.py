"""The peculiarities of AirVPN: an API key in a header, devices with keys made there, refusals with HTTP 200."""

from __future__ import annotations

import json
import logging
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app import keys
from app.errors import ConflictError, InvalidFieldError
from app.model import Endpoint, Peer, ProviderSettings, Secret
from app.providers.airvpn import AirVpnProvider
from app.providers.airvpn_relays import SERVER_KEY, parse
from app.providers.base import Verdict
from app.providers.errors import AccountExpiredError, BadAnswerError, BlockedError, RefusedError, WrongCredentialsError
from app.providers.server_list.address_policy import AddressPolicy
from tests.support.providers import airvpn
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES

CASE = next(case for case in CASES if case.name == "airvpn")
GATEWAY = {**CASE.good(), "device": Secret("gateway")}


async def test_tunnel_has_the_devices_keys_and_addresses(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await CASE.signed_in(world)
    config = await provider.tunnel("Ain")
    device = stand_in.devices["Default"]
    assert config.private_key == Secret(device.private_key)
    assert config.addresses == (ip_interface("10.130.7.2/32"), ip_interface("fd7d:76ee:e68f:a993:7::2/128"))
    assert config.dns == (ip_address("10.128.0.1"), ip_address("fd7d:76ee:e68f:a993::1"))
    (peer,) = config.peers
    assert (peer.public_key, peer.endpoint) == (SERVER_KEY, Endpoint("195.246.120.42", 1637))
    assert peer.preshared_key == Secret(device.preshared_key)
    assert set(peer.allowed_ips) == {ip_network("0.0.0.0/0"), ip_network("::/0")}


async def test_address_tells_which_server_a_file_is_for(world: World) -> None:
    """All servers have one key. The one that two of them have, or none, tells nothing."""
    stand_in = await CASE.start(world)
    servers = (
        airvpn.server("Ain", "195.246.120.42", ip_v6_in1="2a03:1b20:5:7::2"),
        airvpn.server("Copernicus", "195.246.120.41", ip_v6_in1="2a03:1b20:5:7::9"),
        airvpn.server("Deneb", "195.246.120.43", ip_v6_in1="2a03:1b20:5:7::9"),
    )
    stand_in.servers = airvpn.server_list(*servers)
    provider = await CASE.signed_in(world)
    assert {server.hostname for server in await provider.servers()} == {"Ain", "Copernicus", "Deneb"}
    for host, name in [
        ("195.246.120.42", "Ain"),
        ("2A03:1B20:5:7:0::2", "Ain"),
        ("195.246.120.43", "Deneb"),
        ("2a03:1b20:5:7::9", None),
        ("195.246.120.99", None),
        ("ain.airvpn.org", None),
    ]:
        assert provider.listed_as(Peer(SERVER_KEY, Endpoint(host, 1637))) == name
        assert provider.listed_as(Peer(keys.generate().public_key, Endpoint(host, 1637))) is None
    assert provider.listed_as(Peer(SERVER_KEY)) is None


async def test_device_without_ipv6_routes_none(world: World) -> None:
    stand_in = await CASE.start(world)
    device = stand_in.devices["Default"]
    stand_in.generated = (
        f"[Interface]\nPrivateKey = {device.private_key}\nAddress = 10.130.7.2/32\n"
        f"[Peer]\nPublicKey = {SERVER_KEY}\nEndpoint = 195.246.120.41:1637\nAllowedIPs = 0.0.0.0/0\n"
    ).encode()
    (peer,) = (await (await CASE.signed_in(world)).tunnel("Ain")).peers
    assert peer.allowed_ips == (ip_network("0.0.0.0/0"),)
    assert peer.preshared_key is None


async def test_other_port_and_ipv6_endpoint_are_dialled(world: World) -> None:
    await CASE.start(world)
    provider = await CASE.signed_in(world)
    world.settings = ProviderSettings(port=47107, ipv6_endpoint=True)
    provider.check_settings(world.settings)
    assert (await provider.tunnel("Ain")).peers[0].endpoint == Endpoint("2a03:1b20:5:7::1", 47107)
    with pytest.raises(InvalidFieldError, match="1637, 47107"):
        provider.check_settings(ProviderSettings(port=51820))


async def test_server_without_ipv6_is_not_dialled_by_ipv6(world: World) -> None:
    stand_in = await CASE.start(world)
    stand_in.servers = airvpn.server_list(airvpn.server("Ain", "195.246.120.42", ip_v6_in1=""))
    provider = await CASE.signed_in(world)
    world.settings = ProviderSettings(ipv6_endpoint=True)
    with pytest.raises(ConflictError, match="no IPv6 address"):
        await provider.tunnel("Ain")


async def test_server_key_of_the_configuration_counts(world: World) -> None:
    """The list has no keys, so a key that AirVPN changes is known from the device's configuration."""
    stand_in = await CASE.start(world)
    stand_in.server_key = keys.generate().public_key
    assert (await (await CASE.signed_in(world)).tunnel("Ain")).peers[0].public_key == stand_in.server_key


async def test_api_key_is_sent_in_a_header_alone(world: World) -> None:
    stand_in = await CASE.start(world)
    await CASE.signed_in(world)
    assert {r.path for r in stand_in.asked} == {"/api/userinfo/", "/api/generator/"}
    assert all(r.headers["api-key"] == airvpn.API_KEY for r in stand_in.asked)
    assert all(r.headers["user-agent"] == "vpn-gateway" for r in stand_in.asked)
    assert not any(airvpn.API_KEY in target for _, target in stand_in.seen)
    assert stand_in.asked[-1].query == {
        "protocols": "wireguard_1_udp_1637",
        "servers": "earth",
        "device": "Default",
        "system": "linux",
        "resolve": "on",
        "iplayer_entry": "ipv4",
        "iplayer_exit": "ipv4_ipv6",
    }


async def test_list_is_fetched_without_an_account(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = AirVpnProvider(world.environment())
    assert (await provider.refresh()).servers == 2
    assert not stand_in.asked


async def test_named_device_is_used_and_checked(world: World) -> None:
    """AirVPN answers with the default device for a name that it does not know, which another computer may use."""
    stand_in = await CASE.start(world)
    provider = AirVpnProvider(world.environment())
    with pytest.raises(InvalidFieldError, match="no device of this name") as refused:
        await provider.sign_in({**CASE.good(), "device": Secret("Attic")})
    assert refused.value.field == "device"
    assert not (await provider.account()).signed_in
    status = await provider.sign_in(GATEWAY)
    assert status.device == "gateway"
    await provider.refresh()
    device = stand_in.devices["Gateway"]
    assert (await provider.tunnel("Ain")).private_key == Secret(device.private_key)
    del stand_in.devices["Gateway"]
    assert await provider.diagnose() is Verdict.KEY_REVOKED
    assert (await provider.tunnel("Ain")).private_key == Secret(device.private_key)  # never the default one's


async def test_sign_in_with_another_device_changes_the_keys(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await CASE.signed_in(world)
    await provider.sign_in(GATEWAY)
    assert (await provider.tunnel("Ain")).private_key == Secret(stand_in.devices["Gateway"].private_key)
    await provider.sign_in(CASE.good())  # an empty field says nothing
    assert (await provider.account()).device == "gateway"


async def test_renewed_device_keys_are_adopted(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await CASE.signed_in(world)
    stand_in.devices["Default"] = renewed = airvpn.Device(9)
    assert await provider.diagnose() is Verdict.KEY_CHANGED
    config = await provider.tunnel("Ain")
    assert config.private_key == Secret(renewed.private_key)
    assert config.peers[0].preshared_key == Secret(renewed.preshared_key)


async def test_revoked_api_key_is_signed_out(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await CASE.signed_in(world)
    stand_in.api_keys.clear()
    assert await provider.diagnose() is Verdict.SIGNED_OUT
    assert (await provider.account()).problem == "wrong_credentials"


@pytest.mark.parametrize("status", [401, 403])
async def test_refusal_by_http_status_is_a_wrong_key_too(world: World, status: int) -> None:
    stand_in = await CASE.start(world)
    stand_in.status = status
    with pytest.raises(WrongCredentialsError) as refused:
        await AirVpnProvider(world.environment()).sign_in(CASE.good())
    assert refused.value.field == "api_key"


@pytest.mark.parametrize(
    "body",
    [{"result": "error", "message": "Wrong parameters"}, {"error": "No such server"}, {"error": {"code": 7}}],
    ids=["result", "error", "object"],
)
async def test_other_refusals_with_http_200_are_no_wrong_key(world: World, body: object) -> None:
    stand_in = await CASE.start(world)
    stand_in.generated = json.dumps(body).encode()
    with pytest.raises(RefusedError) as refused:
        await AirVpnProvider(world.environment()).sign_in(CASE.good())
    assert "Wrong parameters" not in refused.value.message


async def test_block_by_its_network_is_not_a_wrong_key(world: World) -> None:
    stand_in = await CASE.start(world)
    stand_in.blocked = stand_in.names
    with pytest.raises(BlockedError):
        await AirVpnProvider(world.environment()).sign_in(CASE.good())


@pytest.mark.parametrize(
    ("user", "days"),
    [
        ({"premium": True, "expiration_unix": "4102444800"}, True),
        ({"premium": "1", "expiration_unix": None}, False),
        ({"expiration_unix": "soon"}, False),
        ({}, False),
    ],
)
async def test_expiry_in_any_form_is_read(world: World, user: dict[str, object], days: bool) -> None:
    stand_in = await CASE.start(world)
    stand_in.user = user
    status = await AirVpnProvider(world.environment()).sign_in(CASE.good())
    assert (status.days_left is not None) == days
    assert status.problem is None


@pytest.mark.parametrize("premium", [False, "0", "false"])
async def test_account_without_a_subscription_is_expired(world: World, premium: object) -> None:
    stand_in = await CASE.start(world)
    stand_in.user = {"premium": premium}
    with pytest.raises(AccountExpiredError):
        await AirVpnProvider(world.environment()).sign_in(CASE.good())


@pytest.mark.parametrize(
    "change",
    [
        ("PrivateKey = ", "PrivateKey = x"),
        ("PresharedKey = ", "PresharedKey = x"),
        ("[Peer]", "[Other]"),
        ("Address = ", "Name = "),
        ("[Interface]", "<html>"),
    ],
    ids=lambda c: c[0].strip(" ="),
)
async def test_unusable_configuration_is_a_bad_answer_without_secrets(
    world: World, change: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in = await CASE.start(world)
    device = stand_in.devices["Default"]
    text = (
        f"[Interface]\nPrivateKey = {device.private_key}\nAddress = 10.130.7.2/32\n[Peer]\nPublicKey = {SERVER_KEY}\n"
        f"PresharedKey = {device.preshared_key}\nEndpoint = 195.246.120.41:1637\nAllowedIPs = 0.0.0.0/0\n"
    )
    stand_in.generated = text.replace(*change).encode()
    with pytest.raises(BadAnswerError, match="a WireGuard configuration") as refused:
        await AirVpnProvider(world.environment()).sign_in(CASE.good())
    for secret in (device.private_key, device.preshared_key, airvpn.API_KEY):
        assert secret not in refused.value.message + caplog.text


async def test_preshared_key_is_in_no_log_and_no_answer(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in = await CASE.start(world)
    provider = await CASE.signed_in(world)
    config = await provider.tunnel("Ain")
    preshared = stand_in.devices["Default"].preshared_key
    shown = [caplog.text, repr(config), repr(await provider.account()), repr(await provider.servers())]
    assert preshared not in "\n".join([*shown, repr(provider._session.account)])
    assert preshared in world.everything_on_disk()  # the positive control, and what a restart needs
    await provider.sign_out()
    assert preshared not in world.everything_on_disk()


def test_servers_with_a_problem_are_not_offered() -> None:
    found = parse(
        airvpn.server_list(
            airvpn.server("Ain", "185.10.0.1"),
            airvpn.server("Full", "185.10.0.2", health="warning"),
            airvpn.server("Down", "185.10.0.3", health="error"),
            airvpn.server("Atria", "185.10.0.4", country_name="United States", country_code="us", location="Miami"),
        ),
        AddressPolicy(),
    )
    assert [(r.hostname, r.city, r.country_code, r.load) for r in found.relays] == [
        ("Ain", "Stockholm", "se", 12),
        ("Atria", "Miami", "us", 12),
    ]
    assert [(s.entry, s.reason, s.bad) for s in found.skipped] == [
        ("Full", "AirVPN reports a problem with it", False),
        ("Down", "AirVPN reports a problem with it", False),
    ]
