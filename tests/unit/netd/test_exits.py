"""The operations of the exits with a fake kernel, network and provider: intent and machine change together."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, ConnectTimeoutError, KernelError, NotFoundError
from app.model import Endpoint, Links, Peer, Server, TunnelConfig, WanLink
from app.netd.adoption import AdoptionRecord
from app.netd.exits import Exits
from app.netd.intent import Goal, Intent
from app.netd.listed_servers import ListedServers
from app.netd.network_parts import DriftRepaired, WanMoved
from app.netd.server_claims import ServerClaims
from app.netd.server_judge import ServerJudge
from app.netd.transition import ExitTransition
from app.netd.unproven_keys import MAX_INITIATIONS, KeyUnprovenError, UnprovenKeys
from app.network.drift import missing
from app.network.plan import ExitPlan, TransportPeer, TunnelPlan
from app.network.resolvers import ResolverChoice
from app.network.wireguard.types import DeviceStats, PeerStats
from app.protocol.events import StatusChanged
from app.protocol.statistics import InterfaceBytes
from app.store import Store
from app.tunnel import backoff
from app.tunnel.context import Advice
from app.tunnel.states import Blocked, Connected, Connecting, Disconnected, Reason, Target, Tunnel

A, B, C = (Target("mullvad", name) for name in ("a", "b", "c"))
MOVED = InterfaceBytes(1, 2, 3)
WAN = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),), ip_address("192.168.1.1"))
OWN = keys.generate()
CONFIG = TunnelConfig(
    OWN.private_key,
    (ip_interface("10.0.0.2/32"),),
    (Peer("server", Endpoint("198.51.100.7", 51820), (ip_network("0.0.0.0/0"),)),),
)
PLAN = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), ())


def tunnel(target: Target) -> Tunnel:
    return Tunnel(target, PLAN, "server", TransportPeer(ip_address("198.51.100.7"), 51820), own_key=OWN.public_key)


class Fakes:
    """Fake WireGuard, network, providers and advisor; servers in ``silent`` never answer."""

    kind = "kernel"

    def __init__(self, store: Store, directory: Path) -> None:
        self.store = store
        self.directory = directory
        self.links = Links(wan=WAN, lan=())
        self.silent: set[Target] = set()
        self.unknown: set[Target] = set()
        self.refuses = False
        self.frozen = False
        self.plans: list[ExitPlan] = []
        self.forgotten: list[int] = []
        self.moves: list[ExitTransition] = []
        self.published: list[object] = []
        self.dialled: list[Target] = []
        self.subscribers: list[object] = []
        self.advised = Advice()
        self.intent = Intent(store)
        self.key_unproven = False
        self.keys = UnprovenKeys(self)
        self.claims = ServerClaims(ListedServers(store, self).of)

    # WireGuard
    async def configure(self, name: str, device: object) -> None:
        pass

    async def stats(self, name: str) -> DeviceStats:
        answers = self.dialled[-1] not in self.silent if self.dialled else True
        return DeviceStats(1, 1, (PeerStats("server", None, 1.0 if answers else None, 1, 1),))

    async def names(self) -> set[str]:
        return {"wg0a"}

    # the network
    async def apply(self, plan: ExitPlan, *, routed=None) -> None:
        if self.refuses:
            raise KernelError("refused")
        self.plans.append(plan)
        if routed is not None:
            await routed()

    async def forget_flows(self, index: int) -> None:
        self.forgotten.append(index)

    def clash(self, exit_name: str, plan: TunnelPlan) -> None:
        return None

    def resolvers(self, exit_name: str) -> ResolverChoice:
        return ResolverChoice()

    def freeze(self) -> None:
        self.frozen = True

    def subscribe(self, subscriber: object) -> None:
        self.subscribers.append(subscriber)

    # the providers
    def get(self, name: str) -> object:
        async def servers() -> tuple[Server, ...]:
            return ()

        async def config(hostname: str) -> TunnelConfig:
            target = Target(name, hostname)
            if target in self.unknown:
                raise NotFoundError("no such server", field="server")
            self.dialled.append(target)
            return CONFIG

        return SimpleNamespace(
            name=name,
            title=name,
            servers=servers,
            tunnel=config,
            unproven_key=lambda _: OWN.public_key if self.key_unproven else None,
            prove_key=lambda _: None,
        )

    def listed_as(self, peer: Peer) -> None:
        return None

    def exit_confirmation(self, name: str):
        return lambda _answer: None

    def exit_addresses(self, name: str, hostname: str):
        return (ip_address("203.0.113.9"),) if name == "mullvad" else None

    async def advise(self, exit_name: str, failed: Target) -> Advice:
        return self.advised

    def exits(self, adopted: dict[str, Connected] | None = None) -> Exits:
        return Exits(
            network=self,
            backend=self,
            intent=self.intent,
            store=self.store,
            providers=self,
            failover=self,
            keys=self.keys,
            claims=self.claims,
            uses=ServerJudge(self.store, self.intent, self.claims, self),
            record=AdoptionRecord(self.directory / "runtime.json"),
            adopted=adopted or {},
            last_traffic=lambda _index, _state: MOVED,
            clock_behind=lambda: 0.0,
            observers=(self.moves.append,),
            publish=self.published.append,
        )

    @property
    def begun(self) -> list[str | None]:
        """The causes of the tunnels that were begun."""
        return [
            m.cause
            for m in self.moves
            if isinstance(m.new, Connecting)
            or (isinstance(m.old, Connected) and isinstance(m.new, Connected) and m.old.tunnel != m.new.tunnel)
        ]


@pytest.fixture
async def fakes(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(backoff, "handshake_timeout", lambda _: 0.02)
    with Store(tmp_path) as store:
        store.update_settings(lambda s: replace(s, exit_check_url=None))
        yield Fakes(store, tmp_path)


@pytest.fixture
async def exits(fakes: Fakes):
    made = fakes.exits()
    tasks = [asyncio.create_task(machine.run()) for machine in made.machines]
    async with asyncio.timeout(10):
        yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_connect_changes_intent_and_machine(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A, asked="Sweden")
    assert fakes.intent.goal("default") == Goal(A, "Sweden")
    (status,) = exits.status()
    assert (status.server, status.state) == ("a", "connected")
    assert [type(m.new) for m in fakes.moves] == [Connecting, Connected]
    assert fakes.begun == [None]
    assert StatusChanged("default") in fakes.published


async def test_connect_to_unusable_server_changes_nothing(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    seen = list(fakes.moves)
    fakes.unknown.add(B)
    with pytest.raises(NotFoundError):
        await exits.connect("default", B)
    with pytest.raises(NotFoundError):
        await exits.connect("nowhere", A)
    assert (fakes.intent.goal("default"), fakes.moves) == (Goal(A, "a"), seen)


async def test_failed_switch_restores_the_whole_goal(fakes: Fakes, exits: Exits) -> None:
    """The old tunnel is still up; its first choice and its selector are the goal again."""
    await exits.connect("default", A, asked="Sweden")
    fakes.intent.fall_back("default", A, B)
    await exits.switch("default", B, "scheduled", asked="Sweden")
    fakes.store.update_settings(lambda s: replace(s, first_choice={"default": str(A)}))
    before = fakes.intent.goal("default")
    assert before == Goal(B, "Sweden", A)
    fakes.silent.add(C)
    with pytest.raises(ConnectTimeoutError):
        await exits.connect("default", C, asked="Norway")
    assert exits.get("default").goal == B
    assert fakes.intent.goal("default") == before


async def test_internal_error_in_a_switch_restores_the_whole_goal(fakes: Fakes, exits: Exits) -> None:
    """A restart must come back to the tunnel that stayed, and not to the server of the failed switch."""
    await exits.connect("default", A, asked="Sweden")
    before = fakes.intent.goal("default")
    apply = fakes.apply

    async def apply_without_candidates(plan: ExitPlan, *, routed=None) -> None:
        if plan.candidate is not None:
            raise IndexError("a bug")
        await apply(plan, routed=routed)

    fakes.apply = apply_without_candidates
    with pytest.raises(KernelError) as caught:
        await exits.connect("default", B, asked="Norway")
    assert caught.value.code == "internal"
    state = exits.get("default").state
    assert isinstance(state, Connected)
    assert (state.tunnel.target, exits.get("default").goal) == (A, A)
    assert fakes.intent.goal("default") == before
    assert [type(m.new) for m in fakes.moves if not isinstance(m.new, Connected)] == [Connecting]


async def test_switch_is_stored_once_its_tunnel_is_up(fakes: Fakes, exits: Exits, monkeypatch) -> None:
    """A netd that dies in the middle of a switch comes back to the tunnel that is up, and adopts it."""
    monkeypatch.setattr(backoff, "handshake_timeout", lambda _: 5.0)
    await exits.connect("default", A, asked="Sweden")
    up = exits.get("default").state
    fakes.silent.add(B)
    wish = asyncio.create_task(exits.connect("default", B, asked="Norway"))
    await until(lambda: exits.get("default").state.candidate is not None)
    assert fakes.intent.goal("default") == Goal(A, "Sweden")
    fakes.silent.clear()
    record = AdoptionRecord(fakes.directory / "runtime.json")
    assert await record.adoptable(fakes, fakes.store.settings) == {"default": up}
    await wish
    assert fakes.intent.goal("default") == Goal(B, "Norway")


async def test_switch_is_stored_though_nobody_waits_for_it(fakes: Fakes, exits: Exits, monkeypatch) -> None:
    monkeypatch.setattr(backoff, "handshake_timeout", lambda _: 5.0)
    await exits.connect("default", A, asked="Sweden")
    fakes.silent.add(B)
    wish = asyncio.create_task(exits.connect("default", B, asked="Norway"))
    await until(lambda: exits.get("default").state.candidate is not None)
    wish.cancel()
    await asyncio.gather(wish, return_exceptions=True)
    fakes.silent.clear()
    await until(lambda: exits.status()[0].server == "b")
    assert fakes.intent.goal("default") == Goal(B, "Norway")


async def test_bulk_undone_keeps_what_another_request_asked_for(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A, asked="Sweden")
    fakes.store.begin()
    await exits.connect("default", B, asked="Norway")
    fakes.store.abort()
    assert fakes.intent.goal("default") == Goal(A, "Sweden")
    await exits.restore_goals({"default": A}, {})
    assert fakes.intent.goal("default") == Goal(B, "Norway")


async def test_failed_first_connect_keeps_its_goal(fakes: Fakes, exits: Exits) -> None:
    fakes.silent.add(A)
    with pytest.raises(ConnectTimeoutError):
        await exits.connect("default", A)
    assert (exits.get("default").goal, fakes.intent.goal("default")) == (A, Goal(A, "a"))


async def test_later_request_replaces_the_goal_of_the_first(fakes: Fakes, exits: Exits) -> None:
    fakes.silent.add(A)
    first = asyncio.create_task(exits.connect("default", A))
    await until(lambda: isinstance(exits.get("default").state, Connecting))
    await exits.connect("default", B)
    with pytest.raises(ConflictError) as superseded:
        await first
    assert superseded.value.code == "superseded"
    assert fakes.intent.goal("default") == Goal(B, "b")


async def test_automatic_switch_sets_the_goal_once_connected(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A, asked="Sweden")
    fakes.silent.add(B)
    with pytest.raises(ConnectTimeoutError):
        await exits.switch("default", B, "scheduled", asked="random")
    assert fakes.intent.goal("default") == Goal(A, "Sweden")
    await exits.switch("default", C, "scheduled", asked="random")
    assert fakes.intent.goal("default") == Goal(C, "random")
    assert fakes.begun == [None, "scheduled"]


async def test_cause_of_failed_attempt_does_not_reach_the_next(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    fakes.silent.add(B)
    with pytest.raises(ConnectTimeoutError):
        await exits.switch("default", B, "scheduled")
    await exits.connect("default", C)
    assert fakes.begun == [None, None]


async def test_cause_belongs_to_one_tunnel_alone(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    await exits.switch("default", B, "scheduled")
    exits.get("default").notify(Reason.TUNNEL_LOST)
    await until(lambda: len(fakes.begun) == 3)
    assert fakes.begun == [None, "scheduled", None]


async def test_disconnect_blocks_and_drops_the_flows(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    await exits.disconnect("default")
    assert fakes.intent.goal("default") is None
    assert fakes.plans[-1] == ExitPlan("default", 0)
    assert fakes.forgotten == [0]
    assert fakes.moves[-2].traffic == MOVED


async def test_renew_keeps_the_old_tunnel_until_the_new_is_up(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    await exits.renew("custom")
    assert fakes.begun == [None]
    await exits.renew("mullvad")
    assert fakes.begun == [None, "key_changed"]
    kinds = [(p.active is not None, p.candidate is not None, p.draining is not None) for p in fakes.plans]
    assert all(active for active, *_ in kinds[1:]), "never without a tunnel"
    assert (True, False, True) in kinds


async def test_key_replaced_after_a_connect_is_the_next_tunnels(fakes: Fakes, exits: Exits, monkeypatch) -> None:
    """A connect to where the exit is already fetches a configuration that no attempt takes."""
    await exits.connect("default", A)
    await exits.connect("default", A)
    other = replace(CONFIG, private_key=keys.generate().private_key)
    monkeypatch.setattr(f"{__name__}.CONFIG", other)
    await exits.renew("mullvad")
    state = exits.get("default").state
    assert isinstance(state, Connected)
    assert state.tunnel.own_key == keys.public_key(other.private_key)


async def test_renew_retries_an_exit_blocked_by_the_account(fakes: Fakes, exits: Exits) -> None:
    fakes.silent.add(A)
    fakes.advised = Advice(reason=Reason.KEY_REVOKED, message="sign in again")
    with pytest.raises(ConflictError):
        await exits.connect("default", A)
    fakes.silent.clear()
    await exits.renew("mullvad")
    await until(lambda: isinstance(exits.get("default").state, Connected))


async def test_fallback_is_the_cause_of_its_transition(fakes: Fakes, exits: Exits) -> None:
    fakes.silent.add(A)
    fakes.advised = Advice(target=B)
    with pytest.raises(ConnectTimeoutError):
        await exits.connect("default", A)
    await until(lambda: isinstance(exits.get("default").state, Connected))
    assert fakes.begun[-1] == "failover"


async def test_using_and_user_of_name_the_exits_of_a_server(fakes: Fakes, exits: Exits) -> None:
    assert (exits.using("mullvad"), exits.user_of(A)) == ([], None)
    await exits.connect("default", A)
    assert (exits.using("mullvad"), exits.using("custom"), exits.user_of(A)) == (["default"], [], "default")


async def test_servers_in_use_are_those_of_tunnels_and_goals(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    assert exits.servers_in_use("mullvad") == {"a"}
    assert exits.servers_in_use("custom") == frozenset()
    fakes.silent.add(B)
    switch = asyncio.create_task(exits.connect("default", B))
    await until(lambda: exits.servers_in_use("mullvad") == {"a", "b"})
    with pytest.raises(ConnectTimeoutError):
        await switch
    assert exits.servers_in_use("mullvad") == {"a"}


async def test_start_resumes_the_stored_goal(fakes: Fakes) -> None:
    fakes.intent.set_goal("default", A, "Sweden")
    made = fakes.exits()
    made.start()
    assert made.goals() == {"default": A}
    fakes.store.update_settings(lambda s: replace(s, connect_at_boot=False))
    made = fakes.exits()
    made.start()
    assert made.goals() == {"default": None}, "a start of the machine"
    (fakes.directory / "runtime.json").write_text("{}")
    made = fakes.exits()
    made.start()
    assert made.goals() == {"default": A}, "only netd was restarted"
    task = asyncio.create_task(made.machines[0].run())
    await until(lambda: isinstance(made.machines[0].state, Connected))
    assert fakes.begun == ["resumed"]
    task.cancel()


async def test_running_tunnel_is_adopted_by_the_next_netd(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    state = exits.get("default").state
    record = AdoptionRecord(fakes.directory / "runtime.json")
    adopted = await record.adoptable(fakes, fakes.store.settings)
    assert adopted == {"default": state}
    fakes.moves.clear()
    again = fakes.exits(adopted)
    again.start()
    assert (again.goals(), again.status()[0].server) == ({"default": A}, "a")
    assert fakes.moves == [ExitTransition("default", Disconnected(), state)]
    fakes.intent.set_goal("default", B)
    assert await record.adoptable(fakes, fakes.store.settings) == {}, "something else is wanted by now"


async def test_freeze_leaves_no_tunnel_to_adopt(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    state = exits.get("default").state
    exits.freeze()
    assert fakes.frozen
    assert fakes.moves[-1] == ExitTransition("default", state, Disconnected(), "restored", MOVED)
    await exits.enter("default", replace(state))
    assert not (fakes.directory / "runtime.json").exists()


async def test_network_changes_notify_the_machines(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    (subscriber,) = fakes.subscribers
    machine = exits.get("default")
    subscriber(DriftRepaired((missing("wg9a"),)))
    assert machine._event is None
    subscriber(WanMoved())
    assert machine._event is Reason.WAN_DOWN
    subscriber(DriftRepaired((missing("wg0a"),)))
    await until(lambda: any(isinstance(m.new, Blocked) for m in fakes.moves))
    assert next(m.new for m in fakes.moves if isinstance(m.new, Blocked)).reason is Reason.TUNNEL_LOST


async def test_undeclared_move_is_refused(exits: Exits) -> None:
    with pytest.raises(AssertionError):
        await exits.enter("default", Disconnected())


async def test_move_refused_by_kernel_keeps_the_state(fakes: Fakes, exits: Exits) -> None:
    fakes.refuses = True
    with pytest.raises(KernelError):
        await exits.enter("default", Connecting(tunnel(A)))
    assert (exits.get("default").state, fakes.moves) == (Disconnected(), [])


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


# --- a key that no server has ever answered ---------------------------------------------------------------------------


async def test_timer_does_not_try_a_key_that_rests(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    fakes.key_unproven = True
    exits.unanswered(tunnel(B), MAX_INITIATIONS)
    with pytest.raises(KeyUnprovenError):
        await exits.switch("default", B, "return_to_first")
    assert fakes.dialled[-1] == A
    with pytest.raises(KeyUnprovenError):
        await exits.renew("mullvad")
    assert (exits.get("default").goal, isinstance(exits.get("default").state, Connected)) == (A, True)


async def test_older_keys_stay_until_the_new_one_is_proven(fakes: Fakes, exits: Exits) -> None:
    """An exit waits for the new key's first handshake: the older registration is not to be removed yet."""
    assert await exits.renew("mullvad")  # nothing uses it
    fakes.silent = {A}
    with pytest.raises(ConnectTimeoutError):
        await exits.connect("default", A)
    assert await exits.renew("mullvad")
    fakes.key_unproven = True
    assert not await exits.renew("mullvad")


async def test_connected_tunnel_is_renewed_with_an_unproven_key(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    fakes.key_unproven = True
    assert await exits.renew("mullvad")


@pytest.mark.parametrize(
    ("target", "seen", "confirmed"),
    [
        (A, "203.0.113.10", True),  # next to the server's address in its provider's list
        (A, "198.51.100.7", True),  # the one that is dialled
        (A, "192.0.2.1", None),
        (A, "192.168.1.20", None),  # the WAN's own
        (Target("custom", "vps"), "198.51.100.7", True),
        (Target("custom", "vps"), "198.51.100.8", None),  # a neighbour of a server anywhere is anybody
    ],
)
def test_exit_is_confirmed_by_the_servers_address(fakes: Fakes, target, seen, confirmed) -> None:
    assert fakes.exits().exit_confirmation(tunnel(target))({"ip": seen}) is confirmed
