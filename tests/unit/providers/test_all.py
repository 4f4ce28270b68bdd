"""Tests that every provider with accounts passes, each against its own stand-in over TLS."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_network

import pytest

from app import keys
from app.errors import ConflictError, GatewayError, InvalidFieldError
from app.model import ProviderSettings, Secret
from app.providers.account_session import DAY
from app.providers.base import AccountProvider, Due, Verdict
from app.providers.client import ProviderClient
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    NotSignedInError,
    ProviderDownError,
    RateLimitedError,
    WrongCredentialsError,
)
from app.providers.registry import WITH_ACCOUNT
from app.providers.server_list.source import LIST_LIMIT
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES, Case

MULLVAD = CASES[0].provider
DEFAULTS = dict(ProviderClient.send.__kwdefaults__ or {})

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


async def test_account_from_sign_in_to_sign_out_works(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    provider = case.make(world)
    assert isinstance(provider, AccountProvider)
    assert provider.name == case.name
    with pytest.raises(NotSignedInError):
        await provider.tunnel(case.hostname)
    status = await provider.sign_in(case.good())
    assert status.signed_in
    assert status.problem is None
    assert status.days_left == (41 if case.tells_expiry else None)
    listed = await provider.refresh()
    assert listed.source == "provider"
    servers = await provider.servers()
    assert len(servers) == listed.servers >= 2
    server = next(s for s in servers if s.hostname == case.hostname)
    assert (server.country, server.city, server.country_code) == ("Sweden", "Stockholm", "se")
    assert server.missing == ()
    config = await provider.tunnel(case.hostname)
    registered = {p["public_key"]: p["addresses"] for p in stand_in.peers()}
    ours = keys.public_key(config.private_key)
    assert ours in registered
    assert str(config.addresses[0].ip) == registered[ours][0].partition("/")[0]
    assert config.dns
    (peer,) = config.peers
    assert peer.endpoint is not None
    assert ip_network("0.0.0.0/0") in peer.allowed_ips
    assert await provider.diagnose() is Verdict.HEALTHY
    again = case.make(world)  # after a restart
    assert (await again.account()).signed_in
    assert (await again.tunnel(case.hostname)).private_key == config.private_key
    assert await again.sign_out() == ()
    on_disk = world.everything_on_disk()
    assert case.secret not in on_disk
    assert config.private_key.reveal() not in on_disk
    assert not (await again.account()).signed_in
    assert {s.missing for s in await again.servers()} == {("account",)}


async def test_sign_in_with_wrong_credentials_changes_nothing(world: World, case: Case) -> None:
    await case.start(world)
    provider = await case.signed_in(world)
    before = await provider.tunnel(case.hostname)
    with pytest.raises(WrongCredentialsError) as refused:
        await provider.sign_in(case.bad())
    assert refused.value.code == "wrong_credentials"
    assert refused.value.field in {f.name for f in provider.credentials}
    assert not any(value in refused.value.message for value in [*case.credentials.values(), *case.wrong.values()])
    assert (await case.make(world).tunnel(case.hostname)).private_key == before.private_key


async def test_expired_account_is_reported_as_expired(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    case.expire(stand_in)
    assert await provider.diagnose() is Verdict.ACCOUNT_EXPIRED
    assert (await provider.account()).problem == "account_expired"
    await provider.sign_out()
    with pytest.raises(AccountExpiredError) as refused:
        await case.make(world).sign_in(case.good())
    assert refused.value.code == "account_expired"


async def test_secrets_are_in_no_log_and_no_answer(world: World, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    private = (await provider.tunnel(case.hostname)).private_key.reveal()
    status = await provider.account(refresh=True)
    account = provider._session.account
    stand_in.status = 500
    errors: list[GatewayError] = []
    for attempt in (provider.refresh(), provider.account(refresh=True), provider.sign_in(case.bad())):
        with pytest.raises(GatewayError) as refused:
            await attempt
        errors.append(refused.value)
    await provider.sign_out()
    shown = "\n".join([caplog.text, repr(status), repr(account), repr(await provider.servers()), *map(repr, errors)])
    shown += "\n".join(e.message for e in errors)
    for secret in (case.secret, private):
        assert secret not in shown
    assert account is not None
    if account.token is not None:
        assert account.token.reveal() not in shown


async def test_account_file_is_private_and_alone_has_the_secret(world: World, case: Case) -> None:
    await case.start(world)
    await case.signed_in(world)
    state = world.directory / "state"
    files = [p for p in state.rglob("*") if p.is_file()]
    assert {p.name for p in files} == {"accounts.json", f"{case.name}.json"}
    assert {p.stat().st_mode & 0o777 for p in files} == {0o600}
    assert case.secret not in (state / "relays" / f"{case.name}.json").read_text()


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ({"status": 500}, ProviderDownError),
        ({"status": 503}, ProviderDownError),
        ({"allowed": 0}, RateLimitedError),
        ({"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{"}, BadAnswerError),
        ({"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"}, BadAnswerError),
        ({"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull"}, BadAnswerError),
        ({"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n"}, BadAnswerError),
        ({"raw": b"\x00\x01\x02" * 50}, BadAnswerError),
        ({"raw": b""}, ProviderDownError),
    ],
    ids=["500", "503", "429", "cut JSON", "a list", "null", "too large", "no HTTP", "nothing"],
)
async def test_sign_in_at_a_broken_api_raises_a_specific_error(
    world: World, case: Case, trouble: dict[str, object], error: type[GatewayError]
) -> None:
    stand_in = await case.start(world)
    for name, value in trouble.items():
        setattr(stand_in, name, value)
    provider = case.make(world)
    with pytest.raises(error):
        await provider.sign_in(case.good())
    assert not (await provider.account()).signed_in
    assert world.outgoing.open_now == 0
    for name in trouble:
        setattr(stand_in, name, None)
    stand_in.allowed = None


async def test_sign_in_at_a_silent_api_times_out(world: World, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.providers.client.ProviderClient.send.__kwdefaults__", {**DEFAULTS, "timeout": 0.3})
    stand_in = await case.start(world)
    stand_in.hang = True
    with pytest.raises(ProviderDownError, match="did not answer"):
        await asyncio.wait_for(case.make(world).sign_in(case.good()), 5)
    assert world.outgoing.open_now == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"{}",
        b"[]",
        b"[1, 2]",
        b'{"regions": {}, "locations": {}, "wireguard": {}, "status": "success"}',
        b"[" * 100_000,
        b"\xff\xfe" * 64,
        b" " * (LIST_LIMIT + 1),
    ],
    ids=["empty", "HTML", "null", "object", "array", "numbers", "wrong types", "deep", "binary", "10 MB"],
)
async def test_refresh_with_broken_list_keeps_the_last_list(world: World, case: Case, body: bytes) -> None:
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    before = await provider.servers()
    case.set_list(stand_in, body)
    with pytest.raises(BadAnswerError) as refused:
        await provider.refresh()
    assert len(refused.value.message) < 400
    assert await provider.servers() == before
    assert await case.make(world).servers() == before


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_refresh_refused_by_the_provider_is_one_error_for_all(world: World, case: Case, status: int) -> None:
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    before = await provider.servers()
    stand_in.status = status
    with pytest.raises(BadAnswerError, match=rf"sent no server list \(HTTP {status}\)") as refused:
        await provider.refresh()
    assert refused.value.code == "bad_server_list"
    assert await provider.servers() == before


async def test_list_entries_with_bad_addresses_are_skipped(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    provider = case.make(world)
    world.own_networks = (ip_network("185.1.2.0/24"),)
    good = [f"185.10.0.{n}" for n in range(1, 21)]
    bad = ["10.0.0.1", "192.168.77.1", "127.0.0.1", "224.0.0.1", "185.1.2.3", "0.0.0.0", "not an address", "::1"]
    case.set_list(stand_in, case.entries([*good, *bad]))
    status = await provider.refresh()
    if not case.has_addresses:  # DNS names are resolved when connecting
        assert status.servers == len(good) + len(bad)
        return
    assert status.servers == len(good)
    assert len(status.skipped) == len(bad)
    assert all(s.bad and s.reason for s in status.skipped)
    assert sum("own LAN" in s.reason for s in status.skipped) == 1


async def test_list_entry_with_a_used_name_is_skipped(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    twice = [case.entry(1, "185.10.0.1"), case.entry(2, "185.10.0.2"), case.entry(1, "185.10.0.3")]
    case.set_list(stand_in, case.make_list(*twice))
    status = await case.make(world).refresh()
    assert status.servers == 2
    (skipped,) = status.skipped
    assert "same host name" in skipped.reason


async def test_list_fetched_once_works_offline(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    before = await provider.servers()
    now = world.environment().now()
    assert Due.REFRESH not in provider.due(now)
    assert (await case.make(world).refresh()).changed is False  # 304
    stand_in.status = 500
    again = case.make(world)
    with pytest.raises(ProviderDownError):
        await again.refresh()
    assert await again.servers() == before
    assert Due.REFRESH in again.due(now + DAY)


async def test_settings_without_the_capability_are_refused(world: World, case: Case) -> None:
    await case.start(world)
    provider = await case.signed_in(world)
    can = provider.capabilities
    asked = {
        "port": (ProviderSettings(port=1), False),
        "ipv6_endpoint": (ProviderSettings(ipv6_endpoint=True), can.ipv6_endpoint),
        "post_quantum": (ProviderSettings(post_quantum="require"), can.post_quantum),
        "multihop_entry": (ProviderSettings(multihop_entry="nowhere"), False),
        "content_blocking": (ProviderSettings(content_blocking=("fun",)), False),
    }
    for field, (settings, possible) in asked.items():
        if possible:
            provider.check_settings(settings)
            continue
        with pytest.raises(InvalidFieldError) as refused:
            provider.check_settings(settings)
        assert refused.value.field == field


async def test_rotation_when_due_registers_a_new_key(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    old = await provider.tunnel(case.hostname)
    now = world.environment().now()
    assert Due.ROTATE not in provider.due(now)
    if not provider.capabilities.key_rotation:
        assert Due.ROTATE not in provider.due(now + 400 * DAY)
        with pytest.raises(GatewayError) as refused:
            await provider.rotate_key(case.hostname)
        assert refused.value.status == 501
        return
    assert Due.ROTATE in provider.due(now + 31 * DAY)
    new = await provider.rotate_key(case.hostname)
    assert new is not None
    assert new.private_key != old.private_key
    assert keys.public_key(new.private_key) in {p["public_key"] for p in stand_in.peers()}
    await provider.settle()
    assert await provider.diagnose() is Verdict.HEALTHY
    assert await case.make(world).tunnel(case.hostname) == new


async def test_sign_in_with_invalid_fields_sends_no_request(world: World, case: Case) -> None:
    """A form with missing, unknown or malformed fields is refused here."""
    stand_in = await case.start(world)
    provider = case.make(world)
    with pytest.raises(InvalidFieldError):
        await provider.sign_in({})
    with pytest.raises(InvalidFieldError):
        await provider.sign_in({**case.good(), "something": Secret("x")})
    for field in provider.credentials:
        with pytest.raises(InvalidFieldError) as refused:
            await provider.sign_in({**case.good(), field.name: Secret("a\r\nX-Injected: b" + "x" * field.longest)})
        assert refused.value.field == field.name
    assert not stand_in.seen


async def test_tunnel_to_unknown_server_is_refused(world: World, case: Case) -> None:
    await case.start(world)
    provider = await case.signed_in(world)
    with pytest.raises(GatewayError, match="no such server"):
        await provider.tunnel("nowhere")


async def test_tunnel_to_address_in_the_new_lan_is_refused(world: World, case: Case) -> None:
    """The LAN may have changed since the list was stored."""
    await case.start(world)
    provider = await case.signed_in(world)
    (server,) = [s for s in await provider.servers() if s.hostname == case.hostname]
    if server.ipv4 is None:
        assert server.endpoint is not None  # a DNS name is resolved when connecting
        return
    world.own_networks = (ip_network(f"{server.ipv4}/32"),)
    with pytest.raises(ConflictError, match="own LAN"):
        await provider.tunnel(case.hostname)


def test_registry_has_the_provider(case: Case) -> None:
    assert case.provider in {MULLVAD, *WITH_ACCOUNT}
