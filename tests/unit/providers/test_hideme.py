"""The peculiarities of hide.me: a token in place of the password, sessions at servers, certificates for one name."""

from __future__ import annotations

import base64
import logging
import time
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from msgspec.structs import replace

from app import keys
from app.errors import GatewayError
from app.model import Endpoint, Secret
from app.providers.base import Due, HoldsSessions, Verdict
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    BlockedError,
    ProviderDownError,
    RefusedError,
    WrongCredentialsError,
)
from app.providers.hideme import HideMeProvider
from app.providers.hideme_relays import parse
from app.providers.hideme_sessions import STARTING
from app.providers.server_list.address_policy import AddressPolicy
from tests.support.providers import hideme
from tests.support.providers.keys import key
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES

CASE = next(case for case in CASES if case.name == "hideme")


async def signed_in(world: World) -> HideMeProvider:
    provider = await CASE.signed_in(world)
    assert isinstance(provider, HideMeProvider)
    return provider


async def test_tunnel_leads_to_the_address_that_gave_the_session(world: World) -> None:
    """A name leads to many servers: the address asked is dialled, at the answer's port; one connect asks once."""
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    config = await provider.tunnel("se")
    (session,) = stand_in.sessions.values()
    assert config.addresses[0] == ip_interface(f"{session.address}/32")
    assert (config.addresses[1].version, config.addresses[1].network.prefixlen) == (6, 128)
    assert config.dns == (ip_address("10.255.255.250"), ip_address("fd00:6968:6564:6d65::fa"))
    (peer,) = config.peers
    assert peer.endpoint == Endpoint("127.0.0.1", 9876)
    assert (peer.public_key, peer.preshared_key, peer.persistent_keepalive) == (key(61), Secret(key(62)), 20)
    assert set(peer.allowed_ips) == {ip_network("0.0.0.0/0"), ip_network("::/0")}
    assert await provider.tunnel("se") == config
    assert stand_in.count("POST", "/v1/connect") == 1


async def test_requests_have_hide_mes_form_and_our_name(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    config = await provider.tunnel("se")
    await provider.sign_out()
    token = stand_in.bodies[1][1]["accessToken"]
    assert stand_in.bodies == [
        ("/v1/accessToken", {"domain": "hide.me", "host": "", "username": hideme.USER, "password": hideme.PASSWORD}),
        (
            "/v1/connect",
            {
                "host": "se",
                "domain": "hide.me",
                "accessToken": token,
                "publicKey": keys.public_key(config.private_key),
            },
        ),
        ("/v1/disconnect", {"host": "se", "domain": "hide.me", "sessionToken": stand_in.bodies[2][1]["sessionToken"]}),
    ]
    assert [(to.host, to.port, to.certificate) for to in world.outgoing.opened] == [
        ("any.hideservers.net", 443, "hideservers.net"),
        ("api.hide.me", 443, None),
        ("se.hideservers.net", 443, "hideservers.net"),
        ("se.hideservers.net", 443, "hideservers.net"),
    ]
    assert world.outgoing.opened[-1].addresses == (ip_address("127.0.0.1"),)  # of the same server
    assert not stand_in.sessions


async def test_certificate_for_a_servers_own_name_alone_is_refused(world: World) -> None:
    stand_in = hideme.HideMe(names=("any.hideservers.net", "api.hide.me"))
    await world.serve(stand_in, hideme="https://any.hideservers.net/v1")
    with pytest.raises(ProviderDownError) as refused:
        await HideMeProvider(world.environment()).sign_in(CASE.good())
    assert refused.value.code == "provider_certificate"
    assert not stand_in.bodies


async def test_password_is_not_kept(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    config = await provider.tunnel("se")
    (token,), (session,) = stand_in.tokens, stand_in.sessions
    assert hideme.PASSWORD not in world.everything_on_disk()
    assert token in world.everything_on_disk()  # the positive control: it replaces the password
    shown = "\n".join([caplog.text, repr(config), repr(provider._session.account), repr(await provider.servers())])
    assert not [s for s in (token, session, hideme.PASSWORD, key(62)) if s in shown]
    await provider.sign_out()
    assert not [s for s in (token, session) if s in world.everything_on_disk()]


async def test_stale_token_is_renewed_with_itself_after_connecting(world: World) -> None:
    """A renewal that hangs does not keep the tunnel from coming up: it is part of the account's check, due at once."""
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    (stale,) = stand_in.tokens
    await provider.tunnel("se")
    assert Due.ACCOUNT not in provider.due(time.time())
    stand_in.stale.add(stale)
    await provider.tunnel("se-2")
    assert Due.ACCOUNT in provider.due(time.time())
    assert stand_in.count("POST", "/v1/accessToken") == 1
    await provider.account(refresh=True)
    assert stand_in.bodies[-1] == ("/v1/accessToken", {"domain": "hide.me", "host": "", "accessToken": stale})
    assert Due.ACCOUNT not in provider.due(time.time())
    stand_in.tokens.discard(stale)
    assert (await HideMeProvider(world.environment()).tunnel("se")).peers


@pytest.mark.parametrize("empty", [False, True], ids=["401", "empty answer"])
async def test_refused_token_asks_to_sign_in_again(world: World, empty: bool) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    stand_in.tokens.clear()
    stand_in.refuses_with_nothing = empty
    with pytest.raises(WrongCredentialsError, match="sign in again"):
        await provider.tunnel("se")
    assert await provider.diagnose() is Verdict.SIGNED_OUT
    with pytest.raises(WrongCredentialsError, match="user name and password") as refused:
        await provider.sign_in(CASE.bad())
    assert refused.value.field == "password"


async def test_too_old_a_client_is_not_a_wrong_password(world: World) -> None:
    stand_in = await CASE.start(world)
    stand_in.status = 403
    with pytest.raises(RefusedError, match="update this gateway"):
        await HideMeProvider(world.environment()).sign_in(CASE.good())


async def test_block_by_its_network_is_not_a_wrong_password(world: World) -> None:
    stand_in = await CASE.start(world)
    stand_in.blocked = stand_in.hosts
    with pytest.raises(BlockedError):
        await HideMeProvider(world.environment()).sign_in(CASE.good())


async def test_expired_account_cannot_connect(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    stand_in.expires = time.time() - 1
    with pytest.raises(AccountExpiredError):
        await provider.tunnel("se")


async def test_other_refusal_names_the_status(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    stand_in.limit = 0
    with pytest.raises(RefusedError, match=r"hide.me se refused the request \(HTTP 409\)"):
        await provider.tunnel("se")


@pytest.mark.parametrize(
    "wrong",
    [
        {"publicKey": "x"},
        {"publicKey": base64.b64encode(bytes(32)).decode()},
        {"presharedKey": "x"},
        {"endpoint": {"IP": "198.51.100.77", "Port": 0}},
        {"endpoint": None},
        {"allowedIps": []},
        {"allowedIps": ["10.13.128.2", "nowhere"]},
        {"DNS": ["nowhere"]},
        {"persistentKeepalive": "often"},
    ],
    ids=str,
)
async def test_invalid_session_is_a_bad_answer(world: World, wrong: dict[str, object]) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    stand_in.connected = wrong
    with pytest.raises(BadAnswerError) as refused:
        await provider.tunnel("se")
    assert "nowhere" not in refused.value.message
    stand_in.connected = {}
    assert (await provider.tunnel("se")).peers


@pytest.mark.parametrize("preshared", [None, "", base64.b64encode(bytes(32)).decode()], ids=["null", "empty", "zeros"])
async def test_session_without_a_preshared_key_and_ipv6_works(world: World, preshared: str | None) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    stand_in.connected = {"presharedKey": preshared, "allowedIps": ["10.13.128.9", ""], "DNS": None}
    config = await provider.tunnel("se")
    assert config.peers[0].preshared_key is None
    assert config.addresses == (ip_interface("10.13.128.9/32"),)
    assert config.peers[0].allowed_ips == (ip_network("0.0.0.0/0"),)
    assert config.dns == ()


# --- Sessions --------------------------------------------------------------------------------------------------------


async def test_sessions_at_servers_no_longer_used_are_ended(world: World) -> None:
    """Also after a restart; that of the server in use, and one that was opened just now, stay."""
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    assert isinstance(provider, HoldsSessions)
    await provider.tunnel("se")
    await provider.tunnel("se-2")
    await provider.end_sessions({"se-2"})
    assert {s.host for s in stand_in.sessions.values()} == {"se", "se-2"}  # se may be about to come up
    world.ahead = STARTING + 1
    again = HideMeProvider(world.environment())
    await again.end_sessions({"se-2"})
    assert {s.host for s in stand_in.sessions.values()} == {"se-2"}
    asked = len(stand_in.seen)
    await again.end_sessions({"se-2"})
    assert len(stand_in.seen) == asked
    await again.end_sessions(())
    assert not stand_in.sessions


async def test_ended_session_is_not_dialled_again(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    await provider.tunnel("se")
    world.ahead = STARTING + 1  # the wall clock jumps, as at the start of a board without one
    await provider.end_sessions(())
    await provider.tunnel("se")
    assert len(stand_in.sessions) == 1
    assert stand_in.count("POST", "/v1/connect") == 2


async def test_session_that_cannot_be_ended_is_left_to_time_out(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    await provider.tunnel("se")
    world.ahead = STARTING + 1
    stand_in.status = 500
    await provider.end_sessions(())
    asked = len(stand_in.seen)
    await provider.end_sessions(())
    assert len(stand_in.seen) == asked


async def test_sign_out_tells_of_a_session_that_stays(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    await provider.tunnel("se")
    stand_in.status = 500
    (warning,) = await provider.sign_out()
    assert "hide.me" in warning
    assert not (await provider.account()).signed_in


async def test_sign_out_with_a_session_that_timed_out_is_silent(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    await provider.tunnel("se")
    stand_in.sessions.clear()
    assert await provider.sign_out() == ()


async def test_new_sign_in_ends_the_old_sessions_once_settled(world: World) -> None:
    stand_in = await CASE.start(world)
    provider = await signed_in(world)
    old = await provider.tunnel("se")
    await provider.sign_in(CASE.good())
    assert len(stand_in.sessions) == 1
    assert Due.SETTLE in provider.due(time.time())
    new = await provider.tunnel("se")
    assert new.private_key != old.private_key
    await provider.settle()
    (session,) = stand_in.sessions.values()
    assert session.public_key == keys.public_key(new.private_key)


async def test_full_disk_does_not_keep_a_tunnel_from_coming_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await CASE.start(world)
    provider = await signed_in(world)

    def full(*_: object) -> None:
        raise GatewayError("the disk is full")

    monkeypatch.setattr("app.providers.account_session.AccountSession.save", full)
    assert (await provider.tunnel("se")).peers


# --- The list --------------------------------------------------------------------------------------------------------


def test_list_gives_places_and_those_below_them() -> None:
    geo = {"lat": 50.1, "lon": 8.7, "cityName": "Frankfurt", "countryCode": "DE"}
    city = hideme.location("fra-v4.hideservers.net", displayName="Frankfurt", geo=geo, tags=["free", "other"])
    same = hideme.location("de-v4.hideservers.net", displayName="Germany", geo=geo)
    country_geo = {**geo, "cityName": ""}
    country = hideme.location(
        "de-v4.hideservers.net", displayName="Germany", geo=country_geo, tags=None, children=[same, city]
    )
    group = hideme.location("", displayName="Special", children=[hideme.location("tv.hideservers.net", children=None)])
    found = parse(hideme.server_list(country, group), AddressPolicy())
    assert [(r.hostname, r.endpoint_name, r.country, r.city, r.features) for r in found.relays] == [
        ("de", "de.hideservers.net", "Germany", "Unknown", ()),
        ("fra", "fra.hideservers.net", "Germany", "Frankfurt", ("free",)),
        ("tv", "tv.hideservers.net", "Sweden", "Stockholm", ("10g",)),
    ]
    assert not found.skipped


def test_list_entries_of_other_domains_are_skipped() -> None:
    """The list tells names that netd contacts, so none but hide.me's own are taken."""
    bad = [
        "nl.example.net",
        "hideservers.net",
        "a.b.hideservers.net",
        "x.hideservers.net.example",
        "-.hideservers.net",
        "localhost",
    ]
    good = [hideme.location(f"se-{n}-v4.hideservers.net") for n in range(6)]
    found = parse(hideme.server_list(*good, *map(hideme.location, bad)), AddressPolicy())
    assert len(found.relays) == len(good)
    assert [s.bad for s in found.skipped] == [True] * len(bad)


def test_list_nested_without_end_is_cut() -> None:
    place = hideme.location("se-99-v4.hideservers.net")
    for number in range(98, 0, -1):
        place = hideme.location(f"se-{number}-v4.hideservers.net", children=[place])
    found = parse(hideme.server_list(place), AddressPolicy())
    assert [r.hostname for r in found.relays] == [f"se-{n}" for n in range(1, 6)]


async def test_api_of_providers_toml_keeps_the_certificates_name(world: World) -> None:
    await CASE.start(world)
    world.apis["hideme"] = replace(world.apis["hideme"], certificate="other.example")
    with pytest.raises(ProviderDownError):
        await HideMeProvider(world.environment()).sign_in(CASE.good())
    world.apis["hideme"] = replace(world.apis["hideme"], certificate=None)
    assert (await HideMeProvider(world.environment()).sign_in(CASE.good())).signed_in
