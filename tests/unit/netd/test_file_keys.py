"""From the import of one file to the provider's whole list: the offer, its acceptance, and what a restore keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app import keys
from app.errors import ConflictError, GatewayError, NotFoundError
from app.netd.backup import parts
from app.netd.events import EventBus
from app.netd.file_keys import FileKeys
from app.netd.imports import ServerImporter
from app.netd.provider_accounts import ProviderAccounts
from app.protocol.answers import ListOffer
from app.protocol.commands import (
    Command,
    DescribeProvider,
    GetAccount,
    ImportConfig,
    RotateKey,
    SignIn,
    SignOut,
    UseFileKey,
)
from app.protocol.events import ServersChanged
from app.providers.base import AccountProvider
from app.providers.registry import Registry
from app.store import Store
from app.store.accounts import FILE, Account, Accounts
from tests.support.providers.keys import key
from tests.support.providers.surfshark import Surfshark
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES

SURFSHARK = next(case for case in CASES if case.name == "surfshark")
SURFSHARK_CONF = ("se-sto.prod.surfshark.com:51820", key(41), "10.14.0.2/16", "162.252.172.57, 149.154.159.92")
MULLVAD_CONF = (
    "193.32.126.66:51820",
    keys.generate().public_key,
    "10.66.12.34/32,fc00:bbbb:bbbb:bb01::3:c21/128",
    "10.64.0.1",
)
NORDVPN_CONF = ("sg476.nordvpn.com:51820", keys.generate().public_key, "10.5.0.2/32", "103.86.96.100")
PROTON_CONF = ("146.70.170.18:51820", keys.generate().public_key, "10.2.0.2/32", "10.2.0.1")
WG_EASY_CONF = ("vpn.example.net:51820", keys.generate().public_key, "10.8.0.2/24", "1.1.1.1")
OVPN_CONF = ("pool-1.prd.se.stockholm.ovpn.com:9929", keys.generate().public_key, "172.16.3.4/32", "46.227.67.134")


def conf(endpoint: str, public_key: str, address: str, dns: str, private_key: str | None = None) -> str:
    """A .conf as the provider's website makes it."""
    private_key = private_key or keys.generate().private_key.reveal()
    return (
        f"[Interface]\nPrivateKey = {private_key}\nAddress = {address}\nDNS = {dns}\n\n"
        f"[Peer]\nPublicKey = {public_key}\nAllowedIPs = 0.0.0.0/0\nEndpoint = {endpoint}\n"
    )


@dataclass
class Exits:
    """One exit on Surfshark, whose tunnel takes the key of the moment when it is renewed."""

    registry: Registry
    renewed: list[str] = field(default_factory=list)  # private keys
    disconnected: list[str] = field(default_factory=list)

    def using(self, provider: str) -> list[str]:
        return ["default"] if provider == "surfshark" else []

    async def disconnect(self, exit_name: str) -> None:
        self.disconnected.append(exit_name)

    async def renew(self, provider: str) -> None:
        server = (await self.registry.get(provider).servers())[0]
        self.renewed.append((await self.registry.get(provider).tunnel(server.hostname)).private_key.reveal())


class Verdicts:
    forgotten: tuple[str, ...] = ()

    def account_changed(self, provider: str) -> None:
        self.forget_verdict(provider)

    def forget_verdict(self, provider: str) -> None:
        self.forgotten = (*self.forgotten, provider)


class Netd:
    """The parts of netd that an import and a provider's account need, on a real store and real providers."""

    def __init__(self, world: World, store: Store) -> None:
        self.world = world
        self.store = store
        self.registry = Registry(store, world.environment())
        self.exits = Exits(self.registry)
        self.verdicts = Verdicts()
        self.events = EventBus()
        self.file_keys = FileKeys(store, self.registry)
        self.importer = ServerImporter(store, self.events.publish, lambda: None, self.file_keys)
        accounts = ProviderAccounts(
            providers=self.registry,
            exits=self.exits,
            verdicts=self.verdicts,
            store=store,
            file_keys=self.file_keys,
            publish=self.events.publish,
        )
        self._handlers: dict[type[Command[Any]], Any] = dict(accounts.handlers())

    async def submit(self, command: Command[Any]) -> Any:
        return await self._handlers[type(command)](command)

    async def take(self, name: str, config: str) -> ListOffer | None:
        return (await self.importer.import_with_offer(ImportConfig(name, config))).opens

    async def provider(self, name: str) -> AccountProvider:
        provider = self.registry.get(name)
        assert isinstance(provider, AccountProvider)
        return provider


@pytest.fixture
async def stand_in(world: World) -> Surfshark:
    return await SURFSHARK.start(world)


@pytest.fixture
async def netd(world: World, stand_in: Surfshark):
    with Store(world.directory / "store") as store:
        yield Netd(world, store)


@pytest.fixture
async def world(tmp_path: Path):
    world = World(tmp_path)
    yield world
    await world.close()


# --- the offer -------------------------------------------------------------------------------------------------------


async def test_import_of_a_providers_file_contacts_nobody(world: World, stand_in: Surfshark, netd: Netd) -> None:
    offer = await netd.take("berlin", conf(*SURFSHARK_CONF))
    assert offer == ListOffer("surfshark", "Surfshark", "berlin", servers=None, listed=False)
    assert stand_in.seen == []
    assert world.outgoing.opened == []


async def test_import_with_the_list_at_hand_finds_the_server(world: World, netd: Netd) -> None:
    await (await netd.provider("surfshark")).refresh()
    assert await netd.take("berlin", conf(*SURFSHARK_CONF)) == ListOffer("surfshark", "Surfshark", "berlin", 2, True)
    # The list knows the server, though nothing else in the file tells the provider.
    plain = conf("192.0.2.7:51820", key(42), "10.9.8.7/32", "9.9.9.9")
    assert await netd.take("oslo", plain) == ListOffer("surfshark", "Surfshark", "oslo", 2, True)


async def test_list_with_the_server_counts_more_than_looks(world: World, netd: Netd) -> None:
    await (await netd.provider("surfshark")).refresh()
    offer = await netd.take("x", conf("se1.nordvpn.com:51820", key(41), "10.5.0.2/32", "103.86.96.100"))
    assert offer is not None
    assert (offer.provider, offer.listed) == ("surfshark", True)


@pytest.mark.parametrize(("file", "provider"), [(MULLVAD_CONF, "mullvad"), (NORDVPN_CONF, "nordvpn")])
async def test_file_that_looks_like_a_providers_is_offered(netd: Netd, file: Any, provider: str) -> None:
    offer = await netd.take("x", conf(*file))
    assert offer is not None
    assert (offer.provider, offer.listed) == (provider, False)


@pytest.mark.parametrize("file", [PROTON_CONF, WG_EASY_CONF, OVPN_CONF], ids=["Proton", "wg-easy", "OVPN"])
async def test_file_whose_key_opens_no_list_is_not_offered(netd: Netd, file: Any) -> None:
    assert await netd.take("x", conf(*file)) is None


async def test_zip_of_files_has_an_offer_with_each_of_them(world: World, netd: Netd) -> None:
    files = [ImportConfig(f"{n}.conf", conf(*f), from_file=True) for n, f in enumerate((SURFSHARK_CONF, WG_EASY_CONF))]
    outcomes = await netd.importer.import_files(tuple(files), lambda: None, atomic=True)
    offers = [outcome.done.opens for outcome in outcomes if outcome.done is not None]
    assert [offer and (offer.provider, offer.server) for offer in offers] == [("surfshark", "0"), None]


async def test_provider_shows_one_file_of_each_key_until_one_is_used(world: World, netd: Netd) -> None:
    private = keys.generate().private_key.reveal()
    await netd.take("berlin", conf(*SURFSHARK_CONF, private_key=private))
    await netd.take("oslo", conf("no-osl.prod.surfshark.com:51820", key(42), *SURFSHARK_CONF[2:], private))
    await netd.take("other", conf(*SURFSHARK_CONF))
    await netd.take("work", conf(*WG_EASY_CONF))
    assert (await netd.submit(DescribeProvider("surfshark"))).key_files == ("berlin", "other")
    assert (await netd.submit(DescribeProvider("nordvpn"))).key_files == ()
    await netd.submit(UseFileKey("surfshark", "oslo"))
    shown = await netd.submit(DescribeProvider("surfshark"))
    assert (shown.key_files, shown.account.from_file) == ((), "oslo")


# --- its acceptance --------------------------------------------------------------------------------------------------


async def test_accepted_offer_opens_the_list_and_moves_the_tunnels(world: World, netd: Netd) -> None:
    private = keys.generate().private_key.reveal()
    await netd.take("berlin", conf(*SURFSHARK_CONF, private_key=private))
    seq = netd.events.seq
    status = await netd.submit(UseFileKey("surfshark", "berlin"))
    assert (status.signed_in, status.from_file) == (True, "berlin")
    assert netd.exits.renewed == [private]
    assert netd.verdicts.forgotten == ("surfshark",)
    assert [e.event for e in netd.events._recent if e.seq > seq] == [ServersChanged("surfshark")]
    assert private not in repr(status)
    netd.store.remove_server("berlin")  # the account has the key of its own
    assert (await (await netd.provider("surfshark")).tunnel(SURFSHARK.hostname)).private_key.reveal() == private


@pytest.mark.parametrize(
    ("command", "error", "field"),
    [
        (UseFileKey("surfshark", "nobody"), NotFoundError, "server"),
        (UseFileKey("imported", "berlin"), ConflictError, "provider"),
        (UseFileKey("nowhere", "berlin"), NotFoundError, "provider"),
        (UseFileKey("surfshark", "work"), ConflictError, "server"),
        (UseFileKey("pia", "berlin"), ConflictError, "provider"),
    ],
    ids=["no such server", "no accounts", "no such provider", "not its file", "a key for each server"],
)
async def test_acceptance_that_cannot_be_changes_nothing(
    world: World, netd: Netd, command: UseFileKey, error: type[GatewayError], field: str
) -> None:
    await netd.take("berlin", conf(*SURFSHARK_CONF))
    await netd.take("work", conf(*WG_EASY_CONF))
    seq = netd.events.seq
    with pytest.raises(error) as refused:
        await netd.submit(command)
    assert refused.value.field == field
    assert not (world.directory / "state" / FILE).exists()
    assert (netd.events.seq, netd.exits.renewed) == (seq, [])


async def test_key_is_not_rotated_and_sign_out_ends_its_use_here(world: World, stand_in: Surfshark, netd: Netd) -> None:
    await netd.take("berlin", conf(*SURFSHARK_CONF))
    await netd.submit(UseFileKey("surfshark", "berlin"))
    stand_in.seen.clear()
    with pytest.raises(ConflictError) as refused:
        await netd.submit(RotateKey("surfshark"))
    assert (refused.value.code, refused.value.field) == ("key_from_file", "provider")
    assert (await netd.submit(GetAccount("surfshark", refresh=True))).from_file == "berlin"
    done = await netd.submit(SignOut("surfshark"))
    assert "still valid" in done.warnings[0]
    assert netd.exits.disconnected == ["default"]
    assert stand_in.seen == []
    assert (await netd.submit(DescribeProvider("surfshark"))).key_files == ("berlin",)


async def test_sign_in_takes_the_place_of_a_files_key(world: World, stand_in: Surfshark, netd: Netd) -> None:
    private = keys.generate().private_key.reveal()
    await netd.take("berlin", conf(*SURFSHARK_CONF, private_key=private))
    await netd.submit(UseFileKey("surfshark", "berlin"))
    status = await netd.submit(SignIn("surfshark", SURFSHARK.credentials))
    assert status.from_file is None
    assert netd.exits.renewed[-1] != private
    assert not any(method == "DELETE" for method, _ in stand_in.seen)


# --- what is kept ----------------------------------------------------------------------------------------------------


async def test_restored_accounts_still_open_the_list(world: World, netd: Netd, tmp_path: Path) -> None:
    await netd.take("berlin", conf(*SURFSHARK_CONF))
    await netd.submit(UseFileKey("surfshark", "berlin"))
    path = world.directory / "state" / FILE
    saved = path.read_bytes()
    await netd.submit(SignOut("surfshark"))
    (part,) = parts(world.directory / "state")
    part.check(saved)
    path.write_bytes(saved)
    restored = Accounts(world.directory / "state")
    restored.load()
    account = restored.get("surfshark")
    assert isinstance(account, Account)
    assert account.from_file == "berlin"
    with Store(tmp_path / "fresh") as store:  # another gateway's, without the imported server
        again = Netd(world, store)
        assert (await again.submit(GetAccount("surfshark"))).from_file == "berlin"
        tunnel = await (await again.provider("surfshark")).tunnel(SURFSHARK.hostname)
    assert tunnel.private_key == account.private_key
