"""Mullvad against its stand-in, a real HTTPS server with Mullvad's accounts, devices and errors."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app import keys
from app.errors import ConflictError, GatewayError, InvalidFieldError, NotFoundError, UnavailableError
from app.model import Endpoint, KeyExchange, ProviderSettings, Secret
from app.providers import base
from app.providers.account_session import DAY
from app.providers.base import AccountProvider, Due, Verdict
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyRevokedError,
    NotSignedInError,
    ProviderDownError,
    RateLimitedError,
    TooManyDevicesError,
    WrongCredentialsError,
)
from app.providers.mullvad import MullvadProvider
from app.providers.server_list.source import LIST_LIMIT
from tests.support.file_calls import blocking_file_calls
from tests.support.providers.keys import key
from tests.support.providers.mullvad import ACCOUNT, Mullvad, relay, relay_list
from tests.support.providers.world import World

URL = "https://api.mullvad.net"
GOOD = {"account_number": Secret(ACCOUNT)}


@pytest.fixture
async def mullvad(world: World) -> Mullvad:
    stand_in = Mullvad()
    await world.serve(stand_in, mullvad=URL)
    return stand_in


def provider(world: World) -> MullvadProvider:
    return MullvadProvider(world.environment())


async def signed_in(world: World) -> MullvadProvider:
    found = provider(world)
    await found.sign_in(GOOD)
    await found.refresh()
    return found


def our_key(mullvad: Mullvad) -> str:
    return mullvad.devices[ACCOUNT][-1]["pubkey"]


# --- Signing in ------------------------------------------------------------------------------------------------------


async def test_sign_in_registers_a_device_and_shows_days_left(world: World, mullvad: Mullvad) -> None:
    found = provider(world)
    assert isinstance(found, AccountProvider)
    assert not (await found.account()).signed_in
    status = await found.sign_in({"account_number": Secret(" 1234 1234 1234 1234\n")})
    assert status.signed_in
    assert status.account == "•••• 1234"
    assert status.days_left == 41
    assert status.device == "happy seal 1"
    assert status.key_rotates == pytest.approx(status.key_created + 30 * DAY)
    (device,) = mullvad.devices[ACCOUNT]
    again = provider(world)
    assert await again.account() == status
    await again.refresh()
    config = await again.tunnel("se-sto-wg-001")
    assert keys.public_key(config.private_key) == device["pubkey"]
    assert config.addresses == (ip_interface(device["ipv4_address"]), ip_interface(device["ipv6_address"]))


async def test_account_file_is_private_and_secrets_are_not_logged(
    world: World, mullvad: Mullvad, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    found = await signed_in(world)
    path = world.directory / "state" / "accounts.json"
    assert path.stat().st_mode & 0o777 == 0o600
    private = (await found.tunnel("se-sto-wg-001")).private_key.reveal()
    assert private in path.read_text()
    mullvad.revoke_tokens()
    await found.account(refresh=True)
    await found.rotate_key()
    shown = caplog.text + repr(await found.account()) + repr(await found.servers()) + repr(found._session.account)
    for secret in (ACCOUNT, "mva_", private):
        assert secret not in shown


@pytest.mark.parametrize("number", ["", "123", "1234123412341234x", "١٢٣٤١٢٣٤١٢٣٤١٢٣٤", "1" * 21, "a\r\nb: c"])
async def test_sign_in_with_malformed_number_sends_no_request(world: World, mullvad: Mullvad, number: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        await provider(world).sign_in({"account_number": Secret(number)})
    assert refused.value.field == "account_number"
    assert not number or number not in refused.value.message
    with pytest.raises(InvalidFieldError, match="asks for account_number"):
        await provider(world).sign_in({**GOOD, "password": Secret("x")})
    assert not mullvad.seen


async def test_sign_in_with_unknown_number_is_wrong_credentials(world: World, mullvad: Mullvad) -> None:
    with pytest.raises(WrongCredentialsError, match="does not know") as refused:
        await provider(world).sign_in({"account_number": Secret("9" * 16)})
    assert (refused.value.code, refused.value.field, refused.value.status) == (
        "wrong_credentials",
        "account_number",
        422,
    )
    assert not (await provider(world).account()).signed_in


async def test_sign_in_that_fails_keeps_the_present_account(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    before = await found.tunnel("se-sto-wg-001")
    for break_it in ("wrong", "down", "expired"):
        mullvad.status = 500 if break_it == "down" else None
        number = "9" * 16 if break_it == "wrong" else "5555555555555555"
        mullvad.accounts["5555555555555555"] = 1.0
        with pytest.raises(GatewayError):
            await found.sign_in({"account_number": Secret(number)})
        mullvad.status = None
        assert await found.tunnel("se-sto-wg-001") == before
    assert len(mullvad.peers()) == 1


async def test_sign_in_with_expired_account_registers_no_device(world: World, mullvad: Mullvad) -> None:
    mullvad.expired = True
    with pytest.raises(AccountExpiredError, match="expired on 20") as refused:
        await provider(world).sign_in(GOOD)
    assert refused.value.code == "account_expired"
    assert not mullvad.peers()


async def test_sign_in_without_room_works_after_removing_a_device(world: World, mullvad: Mullvad) -> None:
    """The devices can be listed and removed with the credentials just tried."""
    for number in range(5):
        mullvad.add_device(ACCOUNT, key(number + 1), f"proud fox {number}")
    found = provider(world)
    with pytest.raises(NotSignedInError):
        await found.devices()
    with pytest.raises(TooManyDevicesError, match="5 of 5 devices: proud fox 0") as refused:
        await found.sign_in(GOOD)
    assert refused.value.code == "too_many_devices"
    devices = await found.devices()
    assert [d.name for d in devices] == [f"proud fox {n}" for n in range(5)]
    assert not any(d.current for d in devices)
    with pytest.raises(NotFoundError):
        await found.remove_device("nobody's")
    await found.remove_device(devices[2].id)
    assert (await found.sign_in(GOOD)).signed_in
    assert [d.current for d in await found.devices()] == [False, False, False, False, True]


async def test_remove_device_of_this_gateway_is_refused(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    (ours,) = await found.devices()
    with pytest.raises(ConflictError, match="sign out"):
        await found.remove_device(ours.id)


async def test_sign_in_twice_uses_one_device(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    before = await found.tunnel("se-sto-wg-001")
    await found.sign_in(GOOD)
    assert len(mullvad.peers()) == 1
    assert await found.tunnel("se-sto-wg-001") == before


async def test_settle_after_a_change_of_account_removes_the_old_device(world: World, mullvad: Mullvad) -> None:
    """A change of account is make before break, too."""
    other = "5555555555555555"
    mullvad.accounts[other] = mullvad.accounts[ACCOUNT]
    found = await signed_in(world)
    await found.settle()
    await found.sign_in({"account_number": Secret(other)})
    # A tunnel may still use the first account, whose device stays until the next tunnel is up, even after a power cut.
    assert [len(mullvad.devices[a]) for a in (ACCOUNT, other)] == [1, 1]
    again = provider(world)
    assert Due.SETTLE in again.due(world.environment().now())
    await again.settle()
    assert [len(mullvad.devices[a]) for a in (ACCOUNT, other)] == [0, 1]
    assert Due.SETTLE not in again.due(world.environment().now())


async def test_sign_out_after_a_change_of_account_removes_both_devices(world: World, mullvad: Mullvad) -> None:
    other = "5555555555555555"
    mullvad.accounts[other] = mullvad.accounts[ACCOUNT]
    found = await signed_in(world)
    await found.sign_in({"account_number": Secret(other)})
    await found.sign_out()
    assert mullvad.peers() == []


async def test_sign_in_with_key_in_use_registers_another_key(world: World, mullvad: Mullvad, monkeypatch) -> None:
    taken, fresh = keys.generate(), keys.generate()
    mullvad.accounts["5" * 16] = mullvad.accounts[ACCOUNT]
    mullvad.add_device("5" * 16, taken.public_key)
    pairs = iter([taken, fresh])
    monkeypatch.setattr("app.keys.generate", lambda: next(pairs))
    await provider(world).sign_in(GOOD)
    assert our_key(mullvad) == fresh.public_key


async def test_sign_out_removes_device_and_keys(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    private = (await found.tunnel("se-sto-wg-001")).private_key.reveal()
    assert await found.sign_out() == ()
    assert not mullvad.peers()
    on_disk = world.everything_on_disk()
    assert ACCOUNT not in on_disk
    assert private not in on_disk
    with pytest.raises(NotSignedInError) as refused:
        await found.tunnel("se-sto-wg-001")
    assert refused.value.code == "not_signed_in"
    assert {s.missing for s in await found.servers()} == {("account",)}
    assert await found.sign_out() == ()


async def test_sign_out_with_the_api_down_removes_the_local_account(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    mullvad.status = 500
    (warning,) = await found.sign_out()
    assert "may still be on the account's list" in warning
    assert ACCOUNT not in world.everything_on_disk()


async def test_sign_in_on_a_full_disk_leaves_no_device(world: World, mullvad: Mullvad, monkeypatch) -> None:
    """The device is removed again where the account cannot be stored."""
    found = provider(world)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.store.accounts.atomic.write_atomic", full)
    with pytest.raises(UnavailableError, match="No space left"):
        await found.sign_in(GOOD)
    assert not mullvad.peers()


# --- The token -------------------------------------------------------------------------------------------------------


async def test_token_refused_or_expired_is_renewed(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    mullvad.revoke_tokens()
    assert len(await found.devices()) == 1
    assert (await found.account(refresh=True)).problem is None
    tokens = mullvad.count("POST", "/auth/v1/token")
    await found.account(refresh=True)
    assert mullvad.count("POST", "/auth/v1/token") == tokens
    world.ahead = 2 * DAY
    await found.account(refresh=True)
    assert mullvad.count("POST", "/auth/v1/token") == tokens + 1


# --- Keys ------------------------------------------------------------------------------------------------------------


async def test_rotation_with_room_keeps_the_old_key_until_settled(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    old = await found.tunnel("se-sto-wg-001")
    new = await found.rotate_key("se-sto-wg-001")
    assert new is not None
    assert new.private_key != old.private_key
    registered = {p["public_key"] for p in mullvad.peers()}
    assert registered == {keys.public_key(c.private_key) for c in (old, new)}
    assert new.addresses != old.addresses
    assert await provider(world).tunnel("se-sto-wg-001") == new
    again = provider(world)  # a restart before settling
    assert Due.SETTLE in again.due(world.environment().now())
    await again.settle()
    assert [p["public_key"] for p in mullvad.peers()] == [keys.public_key(new.private_key)]
    await again.settle()
    assert Due.SETTLE not in again.due(world.environment().now())


async def test_rotation_without_room_replaces_the_key_in_place(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    mullvad.max_devices = 1
    old = await found.tunnel("se-sto-wg-001")
    new = await found.rotate_key("se-sto-wg-001")
    assert new is not None
    assert [p["public_key"] for p in mullvad.peers()] == [keys.public_key(new.private_key)]
    assert new.addresses == old.addresses


@pytest.mark.parametrize("room", [True, False])
async def test_rotation_with_lost_answer_finds_the_new_key(world: World, mullvad: Mullvad, room: bool) -> None:
    """With room the next rotation finds its device; without room the diagnosis finds the replaced key."""
    found = await signed_in(world)
    mullvad.max_devices = 5 if room else 1
    mullvad.lose_answer_of = "POST /accounts" if room else "PUT /accounts"
    with pytest.raises(ProviderDownError):
        await found.rotate_key()
    again = provider(world)
    if not room:  # the provider has replaced the old key: checking the account finds the new one
        assert await again.diagnose() is Verdict.KEY_CHANGED  # the server is not at fault
        assert await again.diagnose() is Verdict.HEALTHY
        assert keys.public_key((await again.tunnel("se-sto-wg-001")).private_key) == our_key(mullvad)
        return
    new = await again.rotate_key("se-sto-wg-001")
    assert new is not None
    assert keys.public_key(new.private_key) == our_key(mullvad)
    await again.settle()
    assert len(mullvad.peers()) == 1


async def test_rotation_is_due_after_the_configured_days(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    now = world.environment().now()
    assert found.due(now) == frozenset()
    assert Due.ROTATE not in found.due(now + 29.9 * DAY)
    assert Due.ROTATE in found.due(now + 30.1 * DAY)
    world.settings = ProviderSettings(rotate_days=7)
    assert Due.ROTATE in found.due(now + 7.1 * DAY)
    assert {Due.REFRESH, Due.ACCOUNT} <= found.due(now + 1.1 * DAY)
    assert {Due.REFRESH, Due.ACCOUNT} <= found.due(now - 400 * DAY)  # the clock was wrong when the dates were stored


async def test_rotation_that_fails_keeps_the_old_key(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    before = await found.tunnel("se-sto-wg-001")
    mullvad.status = 503
    with pytest.raises(ProviderDownError):
        await found.rotate_key("se-sto-wg-001")
    mullvad.status = None
    assert await found.tunnel("se-sto-wg-001") == before
    mullvad.devices[ACCOUNT].clear()
    with pytest.raises(KeyRevokedError):
        await found.rotate_key()
    assert await found.tunnel("se-sto-wg-001") == before


# --- Diagnosis -------------------------------------------------------------------------------------------------------


async def test_diagnosis_distinguishes_server_key_and_account(world: World, mullvad: Mullvad) -> None:
    assert await provider(world).diagnose() is Verdict.SIGNED_OUT
    found = await signed_in(world)
    assert await found.diagnose() is Verdict.HEALTHY
    mullvad.status = 500
    assert await found.diagnose() is Verdict.UNKNOWN
    mullvad.status = None
    mullvad.expired = True
    assert await found.diagnose() is Verdict.ACCOUNT_EXPIRED
    status = await found.account()
    assert (status.problem, status.days_left) == ("account_expired", 0)
    mullvad.expired = False
    assert await found.diagnose() is Verdict.HEALTHY
    assert (await found.account()).problem is None
    mullvad.devices[ACCOUNT][0]["pubkey"] = key(77)
    assert await found.diagnose() is Verdict.KEY_REVOKED
    mullvad.devices[ACCOUNT].clear()
    assert await found.diagnose() is Verdict.KEY_REVOKED
    assert (await provider(world).account()).problem == "key_revoked"
    await found.sign_in(GOOD)  # a new device solves it
    assert await found.diagnose() is Verdict.HEALTHY
    mullvad.accounts.clear()
    mullvad.revoke_tokens()
    assert await found.diagnose() is Verdict.SIGNED_OUT


# --- The list --------------------------------------------------------------------------------------------------------


async def test_refresh_of_an_unchanged_list_uses_the_etag(world: World, mullvad: Mullvad) -> None:
    found = provider(world)
    assert (await found.list_status()).source == "none"
    first = await found.refresh()
    assert (first.source, first.servers, first.changed) == ("provider", 4, True)
    again = provider(world)
    with blocking_file_calls(world.directory / "state" / "relays") as blocking:
        assert (await again.list_status()).source == "kept"
        assert await again.servers() == await found.servers()
        await again.refresh()
    assert blocking == []
    second = await again.refresh()
    assert (second.source, second.servers, second.changed) == ("provider", 4, False)
    assert mullvad.count("GET", "/www/relays/wireguard/") == 1
    mullvad.relays = relay_list(relay("se-got-wg-001", "185.213.154.66", key(1003)))
    third = await again.refresh()
    assert (third.servers, third.changed) == (1, True)


async def test_servers_show_the_lists_details(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    server = next(s for s in await found.servers() if s.hostname == "se-sto-wg-001")
    assert (server.country, server.city, server.country_code, server.location) == (
        "Sweden",
        "Stockholm",
        "se",
        "Stockholm, Sweden",
    )
    assert (server.ipv4, server.ipv6) == ("185.195.233.76", "2a03:1b20:4:f011::a01f")
    assert (server.owned, server.hosted_by, server.features) == (True, "31173", ("daita", "ipv6", "multihop"))
    assert server.missing == ()
    assert server.endpoint == "185.195.233.76:51820"


async def test_servers_with_the_api_down_are_those_of_the_last_list(world: World, mullvad: Mullvad) -> None:
    await signed_in(world)
    mullvad.status = 500
    found = provider(world)
    with pytest.raises(ProviderDownError):
        await found.refresh()
    assert len(await found.servers()) == 4
    assert (await found.tunnel("de-ber-wg-001")).peers[0].public_key == key(1004)


async def test_servers_before_the_first_fetch_are_the_shipped_ones(world: World, mullvad: Mullvad) -> None:
    await provider(world).refresh()
    world.shipped = world.directory / "shipped"
    (world.directory / "state" / "relays").rename(world.shipped)
    mullvad.status = 500
    found = provider(world)
    assert (await found.list_status()).source == "shipped"
    assert len(await found.servers()) == 4
    mullvad.status = None
    assert (await found.refresh()).source == "provider"  # its ETag may not be of this API


async def test_cached_list_if_damaged_is_fetched_again(world: World, mullvad: Mullvad) -> None:
    await provider(world).refresh()
    path = world.directory / "state" / "relays" / "mullvad.json"
    for damage in (b"", b"{", path.read_bytes()[:-20], b'{"version":9,"list":{"relays":[]}}', b"[" * 100_000):
        path.write_bytes(damage)
        found = provider(world)
        assert await found.servers() == ()
        assert (await found.refresh()).servers == 4


BAD_ENTRIES = [
    ({"hostname": "se-sto-wg-901", "ipv4_addr_in": "10.0.0.1"}, "ipv4_addr_in is not on the Internet"),
    ({"hostname": "se-sto-wg-902", "ipv4_addr_in": "192.168.1.1"}, "not on the Internet"),
    ({"hostname": "se-sto-wg-903", "ipv4_addr_in": "127.0.0.1"}, "not on the Internet"),
    ({"hostname": "se-sto-wg-904", "ipv4_addr_in": "224.0.0.1"}, "not on the Internet"),
    ({"hostname": "se-sto-wg-905", "ipv4_addr_in": "169.254.1.1"}, "not on the Internet"),
    ({"hostname": "se-sto-wg-906", "ipv4_addr_in": "100.64.0.1"}, "not on the Internet"),
    ({"hostname": "se-sto-wg-907", "ipv4_addr_in": "2a03::1"}, "not an IPv4 address"),
    ({"hostname": "se-sto-wg-908", "ipv4_addr_in": "1.2.3.4; reboot"}, "not an IP address"),
    ({"hostname": "se-sto-wg-909", "ipv6_addr_in": "fe80::1"}, "ipv6_addr_in is not on the Internet"),
    ({"hostname": "se-sto-wg-910", "ipv6_addr_in": "::ffff:10.0.0.1"}, "ipv6_addr_in is not on the Internet"),
    ({"hostname": "se-sto-wg-920", "ipv6_addr_in": "64:ff9b::a00:1"}, "ipv6_addr_in is not on the Internet"),
    ({"hostname": "se-sto-wg-921", "ipv6_addr_in": "2002:a00:1::1"}, "ipv6_addr_in is not on the Internet"),
    ({"hostname": "se-sto-wg-911", "public_key": "short"}, "44 characters"),
    ({"hostname": "se-sto-wg-912", "public_key": "A" * 43 + "="}, "zeros"),
    ({"hostname": "se-sto-wg-913", "public_key": "AQ" + "A" * 41 + "="}, "low order"),
    ({"hostname": "se-sto-wg-914", "location": "xx-yyy"}, "its location is not in the list"),
    ({"hostname": "se-sto-wg-915", "active": "yes"}, "Expected `bool`, got `str`"),
    ({"hostname": "se-sto-wg-916", "weight": "heavy"}, "Expected `int`, got `str`"),
    ({"hostname": "../../etc/passwd"}, "host name"),
    ({"hostname": "a/b"}, "host name"),
    ({"hostname": 5}, "Expected `str`, got `int`"),
    ({"hostname": "se-sto-wg-002"}, "earlier entry"),
    ({"hostname": "se-sto-wg-917", "provider": "a\u202eb"}, "plain text"),
]


async def test_list_entries_that_are_bad_are_skipped_with_the_reason(world: World, mullvad: Mullvad) -> None:
    good = [relay(f"se-sto-wg-{n:03d}", f"185.195.233.{n}", key(n)) for n in range(1, 41)]
    bad = [{**relay("", "185.195.234.1", key(900)), "location": "se-sto", **changed} for changed, _ in BAD_ENTRIES]
    odd = [None, [], "text", 5, {}]
    inactive = relay("se-sto-wg-800", "185.195.233.200", key(800), active=False)
    mullvad.relays = relay_list(*good, *bad, *odd, inactive)
    found = provider(world)
    status = await found.refresh()
    assert status.servers == len(good)
    assert len(status.skipped) == len(bad) + len(odd) + 1
    for skipped, (changed, reason) in zip(status.skipped, BAD_ENTRIES, strict=False):
        assert reason in skipped.reason, (changed, skipped)
        assert skipped.bad
    assert status.skipped[-1] == base.SkippedEntry("se-sto-wg-800", "it is not active", bad=False)
    assert (await provider(world).list_status()).skipped == status.skipped


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"null", "unexpected"),
        (b"[]", "unexpected"),
        (b"{}", "unexpected"),
        (b'{"locations":{},"wireguard":[]}', "unexpected"),
        (b'{"locations":{},"wireguard":{"relays":[]}}', "no usable server"),
        (b'{"locations":{},"wireguard":{"relays":[1,2,3]}}', "no usable server"),
        (b'{"locations":{"x":' + b"[" * 50_000, "not JSON"),
        (b"\xff\xfe" * 100, "not JSON"),
        (relay_list(*[relay(f"se-sto-wg-{n}", "10.0.0.1", key(n)) for n in range(1, 20)]), "no usable server"),
        (
            relay_list(
                relay("se-sto-wg-001", "185.195.233.76", key(1)),
                *[relay(f"se-sto-wg-{n}", "10.0.0.1", key(n)) for n in range(2, 20)],
            ),
            "most of the list cannot be used",
        ),
        (b" " * (LIST_LIMIT + 1), f"more than {LIST_LIMIT} bytes"),
    ],
)
async def test_refresh_with_hostile_list_keeps_the_last_list(
    world: World, mullvad: Mullvad, body: bytes, reason: str
) -> None:
    found = await signed_in(world)
    before = await found.servers()
    mullvad.relays = body
    with pytest.raises(BadAnswerError, match=reason):
        await found.refresh()
    assert await found.servers() == before
    assert await provider(world).servers() == before


async def test_server_address_in_the_new_lan_is_refused(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    await found.tunnel("de-ber-wg-001")
    world.own_networks = (ip_network("193.32.248.0/24"),)
    with pytest.raises(ConflictError, match="own LAN"):
        await found.tunnel("de-ber-wg-001")
    mullvad.relays = relay_list(
        relay("se-got-wg-001", "185.213.154.66", key(1)), relay("de-ber-wg-001", "193.32.248.66", key(2))
    )
    status = await found.refresh()
    assert [s.reason for s in status.skipped] == ["ipv4_addr_in is in this gateway's own LAN"]


async def test_server_address_in_allowed_networks_is_accepted(world: World, mullvad: Mullvad) -> None:
    mullvad.relays = relay_list(relay("se-sto-wg-001", "198.51.100.10", key(1)))
    with pytest.raises(BadAnswerError, match="not on the Internet"):
        await provider(world).refresh()
    world.allowed_networks = (ip_network("198.51.100.0/24"),)
    assert (await provider(world).refresh()).servers == 1


# --- Connecting ------------------------------------------------------------------------------------------------------


async def test_endpoint_follows_port_and_ipv6_settings(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    (peer,) = (await found.tunnel("se-sto-wg-001")).peers
    assert peer.endpoint == Endpoint("185.195.233.76", 51820)
    assert peer.allowed_ips == (ip_network("0.0.0.0/0"), ip_network("::/0"))
    world.settings = ProviderSettings(port=53, ipv6_endpoint=True)
    found.check_settings(world.settings)
    (peer,) = (await found.tunnel("se-sto-wg-001")).peers
    assert peer.endpoint == Endpoint("2a03:1b20:4:f011::a01f", 53)
    with pytest.raises(ConflictError, match="no IPv6 address"):
        await found.tunnel("se-sto-wg-002")
    with pytest.raises(InvalidFieldError, match="listen on 53, 4000 to 33433") as refused:
        found.check_settings(ProviderSettings(port=54))
    assert refused.value.field == "port"
    world.settings = ProviderSettings(port=33500)  # valid with an older list
    assert (await found.tunnel("se-sto-wg-002")).peers[0].endpoint == Endpoint("185.195.233.77", 51820)


async def test_tunnel_asks_for_a_key_exchange_as_the_settings_say(world: World, mullvad: Mullvad) -> None:
    """With each server itself, at the address of the resolver in the list; also where a resolver blocks something."""
    found = await signed_in(world)
    service = (ip_address("10.64.0.1"), 1337)
    assert (await found.tunnel("se-sto-wg-001")).key_exchange == KeyExchange(*service, required=False)
    world.settings = ProviderSettings(post_quantum="require", content_blocking=("ads",))
    found.check_settings(world.settings)
    assert (await found.tunnel("se-sto-wg-001")).key_exchange == KeyExchange(*service, required=True)
    world.settings = ProviderSettings(post_quantum="off")
    assert (await found.tunnel("se-sto-wg-001")).key_exchange is None


async def test_multihop_dials_the_entry_with_the_exits_key(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    world.settings = ProviderSettings(multihop_entry="se-sto-wg-002")
    found.check_settings(world.settings)
    (peer,) = (await found.tunnel("de-ber-wg-001")).peers
    assert peer.endpoint == Endpoint("185.195.233.77", 3004)
    assert peer.public_key == key(1004)
    (direct,) = (await found.tunnel("se-sto-wg-002")).peers
    assert direct.endpoint == Endpoint("185.195.233.77", 51820)
    world.settings = ProviderSettings(multihop_entry="de-ber-wg-001")
    with pytest.raises(ConflictError, match="fetch the server list"):
        await found.tunnel("se-sto-wg-002")
    world.settings = ProviderSettings(multihop_entry="gone")
    with pytest.raises(ConflictError, match="any more"):
        await found.tunnel("se-sto-wg-001")
    with pytest.raises(InvalidFieldError):
        found.check_settings(world.settings)


async def test_multihop_ports_survive_a_refresh_without_them(world: World, mullvad: Mullvad) -> None:
    """The second list may be unavailable."""
    found = await signed_in(world)
    mullvad.relays = relay_list(
        relay("de-ber-wg-001", "193.32.248.66", key(9)), relay("se-sto-wg-002", "185.195.233.77", key(8))
    )
    mullvad.www = b"nonsense"
    await found.refresh()
    world.settings = ProviderSettings(multihop_entry="se-sto-wg-002")
    assert (await found.tunnel("de-ber-wg-001")).peers[0].endpoint == Endpoint("185.195.233.77", 3004)


@pytest.mark.parametrize(
    ("blocked", "resolver"),
    [
        ((), "10.64.0.1"),
        (("ads",), "100.64.0.1"),
        (("ads", "trackers", "malware"), "100.64.0.7"),
        (("social", "ads", "trackers", "malware", "adult", "gambling"), "100.64.0.63"),
        (("ads", "ads"), "100.64.0.1"),
    ],
)
async def test_content_blocking_selects_the_resolver(
    world: World, mullvad: Mullvad, blocked: tuple[str, ...], resolver: str
) -> None:
    found = await signed_in(world)
    world.settings = ProviderSettings(content_blocking=blocked)
    found.check_settings(world.settings)
    assert (await found.tunnel("se-sto-wg-001")).dns == (ip_address(resolver),)
    with pytest.raises(InvalidFieldError, match="ads, trackers"):
        found.check_settings(ProviderSettings(content_blocking=("fun",)))


# --- Requests --------------------------------------------------------------------------------------------------------


async def test_requests_after_a_429_wait_for_the_retry_time(world: World, mullvad: Mullvad) -> None:
    found = await signed_in(world)
    mullvad.allowed = 0
    with pytest.raises(RateLimitedError) as refused:
        await found.refresh()
    assert refused.value.retry_after == 30
    asked = len(mullvad.seen)
    mullvad.allowed = None
    with pytest.raises(RateLimitedError):
        await found.devices()
    assert len(mullvad.seen) == asked
    assert await found.diagnose() is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ({"raw": b"SSH-2.0-OpenSSH_9.2\r\n\r\n"}, BadAnswerError),
        ({"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"}, BadAnswerError),
        ({"raw": b""}, ProviderDownError),
        ({"raw": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000}, BadAnswerError),
        ({"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"}, BadAnswerError),
        ({"status": 500}, ProviderDownError),
        ({"status": 404}, BadAnswerError),
        ({"status": 301}, BadAnswerError),
    ],
)
async def test_sign_in_with_broken_answer_raises_a_gateway_error(
    world: World, mullvad: Mullvad, trouble: dict, error: type[GatewayError]
) -> None:
    for name, value in trouble.items():
        setattr(mullvad, name, value)
    with pytest.raises(GatewayError) as refused:
        await provider(world).sign_in(GOOD)
    assert isinstance(refused.value, error)
    assert ACCOUNT not in refused.value.message
    assert world.outgoing.open_now == 0


async def test_sign_in_at_a_silent_api_times_out(world: World, mullvad: Mullvad, monkeypatch) -> None:
    monkeypatch.setattr("app.providers.client.ProviderClient.send.__kwdefaults__", {**_defaults(), "timeout": 0.3})
    mullvad.hang = True
    with pytest.raises(ProviderDownError, match="did not answer"):
        await asyncio.wait_for(provider(world).sign_in(GOOD), 5)
    assert world.outgoing.open_now == 0


def _defaults() -> dict:
    from app.providers.client import ProviderClient

    return dict(ProviderClient.send.__kwdefaults__)


async def test_certificate_of_another_host_or_authority_is_refused(world: World, mullvad: Mullvad) -> None:
    await world.serve(_Named(("other.example",)))
    world.outgoing.ports["api.mullvad.net"] = world.outgoing.ports["other.example"]
    with pytest.raises(ProviderDownError, match="is not trusted") as refused:
        await provider(world).sign_in(GOOD)
    assert refused.value.code == "provider_certificate"
    world.apis.clear()  # so that the system's authorities are used
    world.outgoing.ports["api.mullvad.net"] = mullvad.port
    with pytest.raises(ProviderDownError, match="is not trusted"):
        await provider(world).sign_in(GOOD)
    assert not mullvad.seen


class _Named(Mullvad):
    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names=names)


async def test_sign_in_without_a_path_to_the_api_fails(world: World) -> None:
    with pytest.raises(ProviderDownError, match="cannot be reached"):
        await provider(world).sign_in(GOOD)
