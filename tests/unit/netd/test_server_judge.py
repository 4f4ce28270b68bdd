"""The servers that an exit may use: not one that another exit uses with its key, nor what it never uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, NotFoundError
from app.exit_changes import with_exit, without_exit
from app.model import BlockedPolicy, Endpoint, ExitSettings, Fallback, Never, Peer, Server, TunnelConfig
from app.netd.exit_targets import ExitTargets
from app.netd.intent import Intent
from app.netd.listed_servers import ListedServers
from app.netd.server_claims import ServerClaims
from app.netd.server_directory import ServerDirectory
from app.netd.server_judge import ServerJudge
from app.network.plan import TransportPeer, TunnelPlan
from app.providers.client_keys import ClientKeys
from app.providers.local_server import StoredServers
from app.store import Store
from app.store.servers import split_secrets
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import Target, Tunnel

SE1, SE2, NO1, DE1 = (
    Server(name, "mullvad", country, country_code=code, hosted_by=hoster)
    for name, country, code, hoster in [
        ("se1", "Sweden", "se", "31173"),
        ("se2", "Sweden", "se", "DataPacket"),
        ("no1", "Norway", "no", "Blix"),
        ("de1", "Germany", "de", "M247"),
    ]
)
OWN, OTHER = keys.generate(), keys.generate()
PEER, PEER2 = keys.generate().public_key, keys.generate().public_key


def target(server: Server) -> Target:
    return Target(server.provider, server.hostname)


def tunnel(hostname: str, own: str, peer: str, provider: str = "mullvad") -> Tunnel:
    plan = TunnelPlan("a", (), 1420, (), (), ())
    where = TransportPeer(ip_address("198.51.100.7"), 51820)
    return Tunnel(Target(provider, hostname), plan, peer, where, own_key=own)


@dataclasses.dataclass
class Provider:
    name: str
    listed: tuple[Server, ...]

    async def servers(self):
        return self.listed

    client_keys: Callable[[str], ClientKeys | None]

    async def tunnel(self, hostname):
        raise NotFoundError("no such server", field="server")


class Fakes:
    def __init__(self, store: Store) -> None:
        self.store, self.intent = store, Intent(store)
        self.claims = ServerClaims(ListedServers(store, self).of)
        self.judge = ServerJudge(store, self.intent, self.claims, self)
        self.signed_in: str | None = None  # with this public key
        self.addresses: dict[str, str] = {}  # as listed, of servers by theirs
        self.server_keys = {"se1": PEER, "se2": PEER, "no1": PEER2}  # as with some providers: two share one
        self.measured_hosts: list[str] = []
        directory = ServerDirectory(
            providers=self, store=store, latencies=self, failures=FailureHistory(lambda: 0.0), publish=lambda _: None
        )
        self.targets = ExitTargets(store, directory, self.judge)
        for name in ("tv", "phone"):
            store.update_settings(lambda s, name=name: with_exit(s, ExitSettings(name)))

    def get(self, name: str) -> Provider:
        lists = {"mullvad": (SE1, SE2, NO1, DE1), "imported": self.imported}
        if name not in lists:
            raise NotFoundError("no such provider", field="provider")
        if name == "imported":
            return Provider(name, self.imported, StoredServers(self.store, name, name).client_keys)
        return Provider(name, lists[name], self.client_keys)

    def client_keys(self, hostname: str) -> ClientKeys | None:
        own, peer = self.signed_in, self.server_keys.get(hostname)
        return ClientKeys(own, frozenset((peer,))) if own and peer else None

    def listed_as(self, peer: Peer) -> str | None:
        found = self.addresses.get(peer.endpoint.host)
        return f"mullvad/{found}" if found is not None and self.server_keys[found] == peer.public_key else None

    @property
    def imported(self) -> tuple[Server, ...]:
        return tuple(Server(s.name, s.provider) for s in self.store.servers("imported"))

    def measured(self, provider):
        return {}

    async def measure(self, servers):
        self.measured_hosts = [s.hostname for s in servers]
        return 0

    def set(self, name: str, **given: object) -> None:
        others = [one for one in self.store.settings.exit_settings if one.name != name]
        self.store.update_settings(lambda s: replace(s, exit_settings=(*others, ExitSettings(name, **given))))

    def add_file(self, name: str, own: keys.KeyPair, peer: str, host: str = "198.51.100.7") -> None:
        endpoint = Endpoint(host, 51820)
        config = TunnelConfig(
            own.private_key, (ip_interface("10.0.0.2/32"),), (Peer(peer, endpoint, (ip_network("0.0.0.0/0"),)),)
        )
        stored = split_secrets(config, name=name, provider="imported", location=None, added=0.0, warnings=())
        self.store.add_server(*stored)

    async def names(self, exit_name: str, selector: str, provider: str | None = None) -> set[str]:
        return {t.hostname for t in (await self.targets.resolve(exit_name, selector, provider)).targets}


@pytest.fixture
def fakes(tmp_path):
    with Store(tmp_path) as store:
        yield Fakes(store)


@pytest.mark.parametrize("selector", ["Sweden", "fastest:Sweden", "random:se"])
async def test_server_of_another_exit_is_left_out(fakes, selector):
    assert await fakes.names("tv", selector) == {"se1", "se2"}
    fakes.intent.set_goal("phone", target(SE1))
    assert await fakes.names("tv", selector) == {"se2"}
    assert await fakes.names("phone", selector) == {"se1", "se2"}  # its own
    if selector.startswith("fastest"):
        await fakes.names("tv", selector)
        assert set(fakes.measured_hosts) >= {"se2"}
    fakes.intent.propose("default", target(SE2))  # a switch that is under way
    with pytest.raises(ConflictError) as caught:
        await fakes.names("tv", selector)
    assert (caught.value.code, caught.value.field) == ("server_in_use", "server")


async def test_named_server_of_another_exit_is_refused(fakes):
    fakes.intent.set_goal("phone", target(SE1))
    with pytest.raises(ConflictError, match="exit phone uses se1 with the same key"):
        await fakes.names("tv", "se1")
    with pytest.raises(ConflictError):
        fakes.judge.check_free("tv", target(SE1))
    fakes.intent.set_goal("phone", None)
    assert await fakes.names("tv", "se1") == {"se1"}


@pytest.mark.parametrize(
    ("never", "left"),
    [
        (Never(countries=("SWEDEN",)), {"no1", "de1"}),
        (Never(countries=("se", "Norway")), {"de1"}),
        (Never(hosters=("datapacket", "m247")), {"se1", "no1"}),
        (Never(servers=("SE1", "mullvad/no1", "ivpn/de1")), {"se2", "de1"}),
        (Never(), {"se1", "se2", "no1", "de1"}),
    ],
)
async def test_never_used_is_left_out(fakes, never, left):
    fakes.set("tv", never=never)
    assert await fakes.names("tv", "random") == left
    assert await fakes.names("phone", "random") == {"se1", "se2", "no1", "de1"}
    for server in {"se1", "se2", "no1", "de1"} - left:
        with pytest.raises(ConflictError) as caught:
            await fakes.names("tv", server)
        assert caught.value.code == "never_used"


async def test_two_files_with_one_key_for_one_server_are_one(fakes):
    fakes.add_file("a", OWN, PEER)
    fakes.add_file("b", OWN, PEER)
    fakes.add_file("same key elsewhere", OWN, PEER2)
    fakes.add_file("other key", OTHER, PEER)
    fakes.intent.set_goal("phone", Target("imported", "a"))
    with pytest.raises(ConflictError, match="exit phone uses b"):
        await fakes.names("tv", "b", "imported")
    assert await fakes.names("tv", "random", "imported") == {"same key elsewhere", "other key"}


async def test_file_with_the_key_of_a_running_tunnel_is_refused(fakes):
    """The provider's tunnel has another name, but the same key at the same server."""
    fakes.add_file("a", OWN, PEER)
    assert fakes.claims.claim(2, tunnel("se1", OWN.public_key, PEER), [PEER]) is None
    with pytest.raises(ConflictError, match="exit phone uses a"):
        await fakes.names("tv", "a", "imported")
    fakes.claims.settle(2, ())
    assert await fakes.names("tv", "a", "imported") == {"a"}


@pytest.mark.parametrize("host", ["198.51.100.7", "203.0.113.99", "se1.example.net"])
async def test_file_is_seen_against_a_providers_goal(fakes, host):
    """The other exit has no tunnel yet; by which address or name the server is dialled is no matter."""
    fakes.signed_in = OWN.public_key
    fakes.add_file("a", OWN, PEER, host)
    fakes.add_file("other server", OWN, PEER2)
    fakes.add_file("other key", OTHER, PEER, host)
    fakes.intent.set_goal("phone", target(SE1))
    with pytest.raises(ConflictError, match="exit phone uses a with the same key") as caught:
        await fakes.names("tv", "a", "imported")
    assert (caught.value.code, caught.value.field) == ("server_in_use", "server")
    for selector in ("random", "fastest"):
        assert await fakes.names("tv", selector, "imported") == {"other server", "other key"}
    assert await fakes.names("phone", "a", "imported") == {"a"}  # in place of its own
    fakes.signed_in = None
    assert await fakes.names("tv", "a", "imported") == {"a"}


async def test_address_tells_files_with_a_shared_key_apart(fakes):
    """se1 and se2 share their key, as all of some providers' servers do, and the list has their addresses."""
    fakes.signed_in = OWN.public_key
    fakes.addresses = {"198.51.100.1": "se1", "198.51.100.2": "se2"}
    fakes.add_file("for se1", OWN, PEER, "198.51.100.1")
    fakes.add_file("also for se1", OWN, PEER, "198.51.100.1")
    fakes.add_file("for se2", OWN, PEER, "198.51.100.2")
    fakes.add_file("elsewhere", OWN, PEER, "198.51.100.9")  # perhaps another address of one of both
    fakes.intent.set_goal("phone", target(SE1))
    assert await fakes.names("tv", "random", "imported") == {"for se2"}
    fakes.intent.set_goal("phone", Target("imported", "for se1"))
    assert await fakes.names("tv", "random", "imported") == {"for se2"}
    assert await fakes.names("tv", "Sweden") == {"se2"}
    fakes.intent.set_goal("phone", Target("imported", "elsewhere"))
    with pytest.raises(ConflictError, match="exit phone uses"):
        await fakes.names("tv", "Sweden")


async def test_address_tells_tunnels_with_a_shared_key_apart(fakes):
    fakes.addresses = {"198.51.100.1": "se1", "198.51.100.2": "se2"}
    fakes.add_file("for se1", OWN, PEER, "198.51.100.1")
    fakes.add_file("for se2", OWN, PEER, "198.51.100.2")
    claim = fakes.claims.claim
    assert claim(1, tunnel("for se1", OWN.public_key, PEER, "imported"), [PEER]) is None
    assert claim(2, tunnel("se1", OWN.public_key, PEER), [PEER]) == 1
    assert claim(2, tunnel("for se2", OWN.public_key, PEER, "imported"), [PEER]) is None
    assert claim(3, tunnel("se2", OWN.public_key, PEER), [PEER]) == 2


@pytest.mark.parametrize("hosts", [("198.51.100.7", "vpn.example.net"), ("198.51.100.7", "2001:db8::7")])
async def test_files_of_one_server_by_name_and_address_are_one(fakes, hosts):
    for name, host in zip("ab", hosts, strict=True):
        fakes.add_file(name, OWN, PEER, host)
    fakes.intent.set_goal("phone", Target("imported", "b"))
    with pytest.raises(ConflictError, match="exit phone uses a"):
        fakes.judge.check_free("tv", Target("imported", "a"))


async def test_providers_server_is_seen_against_a_files_goal(fakes):
    fakes.signed_in = OWN.public_key
    fakes.add_file("mine", OWN, PEER2)
    fakes.intent.set_goal("phone", Target("imported", "mine"))
    with pytest.raises(ConflictError, match="exit phone uses no1"):
        await fakes.names("tv", "no1")
    assert await fakes.names("tv", "random") == {"se1", "se2", "de1"}
    fakes.signed_in = OTHER.public_key  # after a rotation of the key
    assert "no1" in await fakes.names("tv", "random")


@pytest.mark.parametrize("index", [1, 9])
async def test_tunnel_of_an_exit_without_a_name_counts(fakes, index):
    """An exit that is being taken back has a tunnel for a moment, and its number has no name any more."""
    fakes.store.update_settings(lambda s: without_exit(s, "tv", BlockedPolicy()))
    fakes.add_file("a", OWN, PEER)
    assert fakes.claims.claim(index, tunnel("se1", OWN.public_key, PEER), [PEER]) is None
    with pytest.raises(ConflictError, match="an exit that is being removed uses a") as caught:
        await fakes.names("phone", "a", "imported")
    assert caught.value.code == "server_in_use"


async def test_listed_servers_with_one_key_are_two(fakes):
    """Many providers give several servers one key; only what users have named may be the same server."""
    fakes.signed_in = OWN.public_key
    fakes.intent.set_goal("phone", target(SE1))
    assert await fakes.names("tv", "Sweden") == {"se2"}
    assert fakes.claims.claim(2, tunnel("se1", OWN.public_key, PEER), [PEER]) is None
    assert await fakes.names("tv", "Sweden") == {"se2"}
    assert fakes.claims.claim(1, tunnel("se2", OWN.public_key, PEER), [PEER]) is None
    assert fakes.claims.claim(3, tunnel("a", OWN.public_key, PEER, "imported"), [PEER]) in {1, 2}


async def test_target_of_an_unknown_provider_is_judged_by_name(fakes):
    fakes.intent.set_goal("phone", Target("gone", "se1"))
    assert fakes.judge.holder("tv", Target("gone", "se1")) == "phone"
    assert fakes.judge.holder("tv", target(SE1)) is None


def test_claim_is_refused_while_a_tunnel_has_it():
    claims = ServerClaims(lambda _: None)
    one = tunnel("a", "own", "peer", "imported")
    assert claims.claim(1, one, ["peer", "second peer"]) is None
    assert claims.claim(1, one, ["peer"]) is None  # its own renewal
    assert claims.claim(2, tunnel("b", "own", "second peer", "imported"), ["second peer"]) == 1
    assert claims.claim(2, tunnel("b", "another", "peer", "imported"), ["peer"]) is None
    claims.settle(1, (one,))
    assert (
        claims.claim(3, tunnel("c", "own", "second peer", "imported"), ["second peer"]) == 1
    )  # still known after the handshake
    claims.settle(1, ())
    assert claims.claim(3, tunnel("c", "own", "peer", "imported"), ["peer"]) is None


async def test_own_target_falls_back_across_providers(fakes):
    fakes.add_file("mine", OWN, PEER)
    with pytest.raises(Exception, match="name one"):
        await fakes.targets.own("tv")
    ranked = (Fallback("nowhere"), Fallback("mine", "imported"), Fallback("Norway"))
    fakes.set("tv", target="Sweden", fallbacks=ranked)
    choice = await fakes.targets.own("tv")
    assert (choice.asked, {t.hostname for t in choice.targets}) == ("Sweden", {"se1", "se2"})
    fakes.set("tv", target="Sweden", fallbacks=ranked, never=Never(countries=("se",)))
    choice = await fakes.targets.own("tv")
    assert (choice.asked, choice.targets) == ("mine", [Target("imported", "mine")])


async def test_provider_of_an_exit_is_its_own(fakes):
    fakes.add_file("mine", OWN, PEER)
    fakes.set("tv", provider="imported", target="mine")
    assert await fakes.names("tv", "mine") == {"mine"}
    assert fakes.targets.provider("phone") == "mullvad"
