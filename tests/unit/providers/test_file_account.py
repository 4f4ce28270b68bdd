"""The key of one imported file opens the whole list of its provider, and nothing else is taken for it."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from msgspec.structs import replace

from app import keys
from app.errors import ConflictError
from app.model import Endpoint, Peer, Secret, TunnelConfig
from app.providers.account_session import DAY
from app.providers.base import Due, TakesFileKey, Verdict
from app.providers.errors import KeyFromFileError, NotSignedInError, ProviderDownError
from app.store import accounts
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES, Case

OPENED = [case for case in CASES if case.name not in {"pia", "hideme"}]
FOREIGN = keys.generate().public_key

each = pytest.mark.parametrize("case", OPENED, ids=lambda c: c.name)


def file_for(public_key: str, host: str = "192.0.2.1", **changes: Any) -> TunnelConfig:
    """What a .conf holds that the provider's website makes for its server with ``public_key`` at ``host``."""
    peer = Peer(public_key, Endpoint(host, 51820), (ip_network("0.0.0.0/0"),))
    config = TunnelConfig(keys.generate().private_key, (ip_interface("10.64.3.7/16"),), (peer,))
    return replace(config, dns=(ip_address("10.64.0.53"),), **changes)


async def server_of(case: Case, world: World) -> tuple[str, str]:
    """The public key and the address or name of one of the case's servers, as its list has them."""
    provider = case.make(world)
    await provider.refresh()
    relay = provider._servers.get(case.hostname)
    assert relay is not None
    return relay.public_key, relay.ipv4 or relay.endpoint_name or ""


@each
async def test_file_key_opens_every_server_and_is_kept(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    config = file_for((await server_of(case, world))[0])
    asked = len(stand_in.seen)
    provider = case.make(world)
    assert isinstance(provider, TakesFileKey)
    status = await provider.use_file_key("berlin", config)
    assert (status.signed_in, status.from_file, status.account, status.key_rotates) == (True, "berlin", None, None)
    again = case.make(world)  # after a restart
    servers = await again.servers()
    assert len(servers) >= 2
    for server in servers:
        assert server.missing == ()
        tunnel = await again.tunnel(server.hostname)
        assert (tunnel.private_key, tunnel.addresses) == (config.private_key, config.addresses)
        assert tunnel.peers[0].public_key != FOREIGN
    assert len(stand_in.seen) == asked  # the list was there already, and no account is asked about


@each
async def test_file_key_fetches_the_list_that_is_not_here(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    public_key, _ = await server_of(case, world)
    for path in (world.directory / "state" / "relays").iterdir():
        path.unlink()
    stand_in.seen.clear()
    provider = case.make(world)
    await provider.use_file_key("berlin", file_for(public_key))
    assert len(await provider.servers()) >= 2
    assert {method for method, _ in stand_in.seen} == {"GET"}  # nobody signs in


@each
async def test_file_of_another_provider_is_refused_and_changes_nothing(world: World, case: Case) -> None:
    await case.start(world)
    provider = case.make(world)
    config = file_for(FOREIGN)
    with pytest.raises(ConflictError) as refused:
        await provider.use_file_key("berlin", config)
    assert (refused.value.field, refused.value.code) == ("server", "not_its_file")
    assert config.private_key.reveal() not in refused.value.message
    assert not (await case.make(world).account()).signed_in
    assert config.private_key.reveal() not in world.everything_on_disk()
    with pytest.raises(NotSignedInError):
        await provider.tunnel(case.hostname)


@each
async def test_file_key_without_a_list_is_refused_and_changes_nothing(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    stand_in.status = 500
    provider = case.make(world)
    with pytest.raises(ProviderDownError):
        await provider.use_file_key("berlin", file_for(FOREIGN))
    assert not (await case.make(world).account()).signed_in


@each
async def test_file_is_known_by_the_address_it_dials(world: World, case: Case) -> None:
    """The provider has given the server a new key since the file was made."""
    await case.start(world)
    _, host = await server_of(case, world)
    provider = case.make(world)
    match = await provider.match_file(file_for(FOREIGN, host.upper()))
    assert match is not None
    assert match.listed
    assert (await provider.use_file_key("berlin", file_for(FOREIGN, host))).signed_in


@each
async def test_file_is_matched_without_contacting_the_provider(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    match = await case.make(world).match_file(file_for(FOREIGN))
    assert match is not None
    assert (match.listed, match.servers) == (False, None)
    assert stand_in.seen == []
    public_key, _ = await server_of(case, world)
    match = await case.make(world).match_file(file_for(public_key))
    assert match is not None
    assert match.listed
    assert match.servers is not None
    assert match.servers >= 2


@each
@pytest.mark.parametrize("trouble", ["several peers", "no address", "preshared key"])
async def test_file_whose_key_may_not_work_everywhere_is_refused(world: World, case: Case, trouble: str) -> None:
    await case.start(world)
    if trouble == "preshared key" and case.make(world).shares_preshared_key:
        return  # test_file_only.py has what becomes of it
    config = file_for((await server_of(case, world))[0])
    (peer,) = config.peers
    secret = keys.generate().private_key
    match trouble:
        case "several peers":
            config = replace(config, peers=(peer, replace(peer, public_key=FOREIGN)))
        case "no address":
            config = replace(config, addresses=())
        case _:
            config = replace(config, peers=(replace(peer, preshared_key=secret),))
    provider = case.make(world)
    assert await provider.match_file(config) is None
    with pytest.raises(ConflictError) as refused:
        await provider.use_file_key("berlin", config)
    assert refused.value.field == "server"
    assert secret.reveal() not in refused.value.message
    assert not (await provider.account()).signed_in


@each
async def test_signed_in_account_is_not_replaced_by_a_file(world: World, case: Case) -> None:
    await case.start(world)
    provider = await case.signed_in(world)
    before = await provider.tunnel(case.hostname)
    config = file_for(before.peers[0].public_key)
    assert await provider.match_file(config) is None
    with pytest.raises(ConflictError) as refused:
        await provider.use_file_key("berlin", config)
    assert refused.value.code == "signed_in"
    assert await provider.tunnel(case.hostname) == before


@each
async def test_another_file_replaces_the_key_and_is_offered_no_more(world: World, case: Case) -> None:
    await case.start(world)
    public_key, _ = await server_of(case, world)
    first, second = file_for(public_key), file_for(public_key)
    provider = case.make(world)
    await provider.use_file_key("berlin", first)
    assert await provider.match_file(first) is None
    assert await provider.match_file(second) is not None
    await provider.use_file_key("oslo", second)
    assert (await provider.tunnel(case.hostname)).private_key == second.private_key
    assert first.private_key.reveal() not in world.everything_on_disk()


@each
async def test_sign_in_and_out_leave_the_files_key_at_the_provider(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    config = file_for((await server_of(case, world))[0])
    provider = case.make(world)
    await provider.use_file_key("berlin", config)
    stand_in.seen.clear()
    (warning,) = await provider.sign_out()
    assert '"berlin"' in warning
    assert "still valid" in warning
    assert stand_in.seen == []
    assert not (await provider.account()).signed_in
    assert config.private_key.reveal() not in world.everything_on_disk()
    await provider.use_file_key("berlin", config)
    assert (await provider.sign_in(case.good())).from_file is None
    assert (await provider.tunnel(case.hostname)).private_key != config.private_key
    assert config.private_key.reveal() not in world.everything_on_disk()
    stand_in.seen.clear()
    await provider.settle()
    assert stand_in.seen == []
    assert Due.SETTLE not in provider.due(world.environment().now())


@each
async def test_provider_of_a_files_key_is_asked_for_its_list_alone(world: World, case: Case) -> None:
    stand_in = await case.start(world)
    provider = case.make(world)
    await provider.use_file_key("berlin", file_for((await server_of(case, world))[0]))
    stand_in.seen.clear()
    now = world.environment().now()
    assert provider.due(now) == frozenset()
    assert provider.due(now + 400 * DAY) == {Due.REFRESH}
    assert (await provider.account(refresh=True)).from_file == "berlin"
    assert await provider.diagnose() is Verdict.UNKNOWN
    for asked in (provider.rotate_key(), provider.devices(), provider.remove_device("d-1")):
        with pytest.raises(ConflictError if _can(case) else Exception) as refused:
            await asked
        assert refused.value.code in {KeyFromFileError.code, "not_implemented"}
    assert stand_in.seen == []


def _can(case: Case) -> bool:
    return case.provider.capabilities.devices and case.provider.capabilities.key_rotation


async def test_provider_with_a_key_for_each_server_takes_no_files(world: World) -> None:
    case = next(case for case in CASES if case.name == "pia")
    await case.start(world)
    provider = case.make(world)
    await provider.refresh()
    assert await provider.match_file(file_for(FOREIGN)) is None
    with pytest.raises(ConflictError, match="the file's own server only"):
        await provider.use_file_key("berlin", file_for(FOREIGN))


def test_stored_account_with_a_damaged_preshared_key_is_damaged() -> None:
    good = accounts.Account({}, keys.generate().private_key, from_file="berlin", preshared_key=Secret("short"))
    assert accounts.decode(accounts.encode({"windscribe": good})).damaged == ("windscribe",)
