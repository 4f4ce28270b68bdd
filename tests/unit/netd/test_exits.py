"""The exits' verbs with a fake kernel, network and provider: intent and machine move together, or not at all."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, ConnectTimeoutError, KernelError, NotFoundError
from app.model import Endpoint, Links, Peer, Secret, Server, TunnelConfig, WanLink
from app.netd.adoption import AdoptionRecord
from app.netd.exits import Exits
from app.netd.intent import Goal, Intent
from app.netd.network_parts import DriftRepaired, WanMoved
from app.netd.transition import ExitTransition
from app.network.drift import missing
from app.network.plan import ExitPlan, TransportPeer, TunnelPlan
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
CONFIG = TunnelConfig(
    Secret("p" * 43 + "="),
    (ip_interface("10.0.0.2/32"),),
    (Peer("server", Endpoint("198.51.100.7", 51820), (ip_network("0.0.0.0/0"),)),),
)
PLAN = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), ())


def tunnel(target: Target) -> Tunnel:
    return Tunnel(target, PLAN, "server", TransportPeer(ip_address("198.51.100.7"), 51820))


class World:
    """WireGuard, network, providers and advisor in one; servers in ``silent`` never answer."""

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
        self.told: list[object] = []
        self.dialled: list[Target] = []
        self.subscribers: list[object] = []
        self.advised = Advice()
        self.intent = Intent(store)

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

        return SimpleNamespace(servers=servers, tunnel=config)

    def exit_confirmation(self, name: str):
        return lambda _answer: None

    async def advice(self, exit_name: str, failed: Target) -> Advice:
        return self.advised

    def exits(self, adopted: dict[str, Connected] | None = None) -> Exits:
        return Exits(
            network=self,
            backend=self,
            intent=self.intent,
            store=self.store,
            providers=self,
            failover=self,
            record=AdoptionRecord(self.directory / "runtime.json"),
            adopted=adopted or {},
            last_traffic=lambda _index, _state: MOVED,
            clock_behind=lambda: 0.0,
            observers=(self.moves.append,),
            publish=self.told.append,
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
async def world(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(backoff, "handshake_timeout", lambda _: 0.02)
    with Store(tmp_path) as store:
        store.update_settings(lambda s: replace(s, exit_check_url=None))
        yield World(store, tmp_path)


@pytest.fixture
async def exits(world: World):
    made = world.exits()
    tasks = [asyncio.create_task(machine.run()) for machine in made.machines]
    async with asyncio.timeout(10):
        yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_connect_moves_intent_and_machine(world: World, exits: Exits) -> None:
    await exits.connect("default", A, asked="Sweden")
    assert world.intent.goal("default") == Goal(A, "Sweden")
    (status,) = exits.status()
    assert (status.server, status.state) == ("a", "connected")
    assert [type(m.new) for m in world.moves] == [Connecting, Connected]
    assert world.begun == [None]
    assert StatusChanged("default") in world.told


async def test_a_server_that_cannot_be_connected_changes_nothing(world: World, exits: Exits) -> None:
    await exits.connect("default", A)
    seen = list(world.moves)
    world.unknown.add(B)
    with pytest.raises(NotFoundError):
        await exits.connect("default", B)
    with pytest.raises(NotFoundError):
        await exits.connect("nowhere", A)
    assert (world.intent.goal("default"), world.moves) == (Goal(A, "a"), seen)


async def test_a_switch_that_fails_puts_all_of_the_goal_back(world: World, exits: Exits) -> None:
    """The old tunnel is up still; what it stands in for, and how it was asked for, is wanted as before."""
    await exits.connect("default", A, asked="Sweden")
    world.intent.fall_back("default", A, B)
    await exits.switch("default", B, "scheduled", asked="Sweden")
    world.store.update_settings(lambda s: replace(s, first_choice={"default": str(A)}))
    before = world.intent.goal("default")
    assert before == Goal(B, "Sweden", A)
    world.silent.add(C)
    with pytest.raises(ConnectTimeoutError):
        await exits.connect("default", C, asked="Norway")
    assert exits.get("default").goal == B
    assert world.intent.goal("default") == before


async def test_a_connect_that_fails_from_nothing_stays_wanted(world: World, exits: Exits) -> None:
    world.silent.add(A)
    with pytest.raises(ConnectTimeoutError):
        await exits.connect("default", A)
    assert (exits.get("default").goal, world.intent.goal("default")) == (A, Goal(A, "a"))


async def test_a_later_request_takes_over_and_is_what_is_wanted(world: World, exits: Exits) -> None:
    world.silent.add(A)
    first = asyncio.create_task(exits.connect("default", A))
    await until(lambda: isinstance(exits.get("default").state, Connecting))
    await exits.connect("default", B)
    with pytest.raises(ConflictError) as superseded:
        await first
    assert superseded.value.code == "superseded"
    assert world.intent.goal("default") == Goal(B, "b")


async def test_an_automatic_switch_is_wanted_once_it_is_reached(world: World, exits: Exits) -> None:
    await exits.connect("default", A, asked="Sweden")
    world.silent.add(B)
    with pytest.raises(ConnectTimeoutError):
        await exits.switch("default", B, "scheduled", asked="random")
    assert world.intent.goal("default") == Goal(A, "Sweden")
    await exits.switch("default", C, "scheduled", asked="random")
    assert world.intent.goal("default") == Goal(C, "random")
    assert world.begun == [None, "scheduled"]


async def test_the_cause_of_a_try_that_failed_is_not_that_of_the_next(world: World, exits: Exits) -> None:
    await exits.connect("default", A)
    world.silent.add(B)
    with pytest.raises(ConnectTimeoutError):
        await exits.switch("default", B, "scheduled")
    await exits.connect("default", C)
    assert world.begun == [None, None]


async def test_a_cause_is_that_of_one_tunnel_and_not_of_its_successors(world: World, exits: Exits) -> None:
    await exits.connect("default", A)
    await exits.switch("default", B, "scheduled")
    exits.get("default").notify(Reason.TUNNEL_LOST)
    await until(lambda: len(world.begun) == 3)
    assert world.begun == [None, "scheduled", None]


async def test_a_disconnect_blocks_and_forgets_the_flows(world: World, exits: Exits) -> None:
    await exits.connect("default", A)
    await exits.disconnect("default")
    assert world.intent.goal("default") is None
    assert world.plans[-1] == ExitPlan("default", 0)
    assert world.forgotten == [0]
    assert world.moves[-2].traffic == MOVED


async def test_a_fresh_key_has_a_tunnel_of_its_own_and_the_old_one_until_then(world: World, exits: Exits) -> None:
    await exits.connect("default", A)
    await exits.renew("custom")
    assert world.begun == [None]
    await exits.renew("mullvad")
    assert world.begun == [None, "key_changed"]
    kinds = [(p.active is not None, p.candidate is not None, p.draining is not None) for p in world.plans]
    assert all(active for active, *_ in kinds[1:]), "never without a tunnel"
    assert (True, False, True) in kinds


async def test_an_exit_that_waits_for_the_account_tries_at_once(world: World, exits: Exits) -> None:
    world.silent.add(A)
    world.advised = Advice(reason=Reason.KEY_REVOKED, message="sign in again")
    with pytest.raises(ConflictError):
        await exits.connect("default", A)
    world.silent.clear()
    await exits.renew("mullvad")
    await until(lambda: isinstance(exits.get("default").state, Connected))


async def test_a_fallback_is_told_as_the_cause(world: World, exits: Exits) -> None:
    world.silent.add(A)
    world.advised = Advice(target=B)
    with pytest.raises(ConnectTimeoutError):
        await exits.connect("default", A)
    await until(lambda: isinstance(exits.get("default").state, Connected))
    assert world.begun[-1] == "failover"


async def test_who_uses_what(world: World, exits: Exits) -> None:
    assert (exits.using("mullvad"), exits.user_of(A)) == ([], None)
    await exits.connect("default", A)
    assert (exits.using("mullvad"), exits.using("custom"), exits.user_of(A)) == (["default"], [], "default")


async def test_what_was_wanted_before_is_resumed(world: World) -> None:
    world.intent.set_goal("default", A, "Sweden")
    made = world.exits()
    made.begin()
    assert made.goals() == {"default": A}
    world.store.update_settings(lambda s: replace(s, connect_at_boot=False))
    made = world.exits()
    made.begin()
    assert made.goals() == {"default": None}, "a start of the machine"
    (world.directory / "runtime.json").write_text("{}")
    made = world.exits()
    made.begin()
    assert made.goals() == {"default": A}, "only netd was restarted"
    task = asyncio.create_task(made.machines[0].run())
    await until(lambda: isinstance(made.machines[0].state, Connected))
    assert world.begun == ["resumed"]
    task.cancel()


async def test_a_tunnel_that_is_up_is_taken_over_by_the_next_netd(world: World, exits: Exits) -> None:
    await exits.connect("default", A)
    state = exits.get("default").state
    record = AdoptionRecord(world.directory / "runtime.json")
    adopted = await record.adoptable(world, world.store.settings)
    assert adopted == {"default": state}
    world.moves.clear()
    again = world.exits(adopted)
    again.begin()
    assert (again.goals(), again.status()[0].server) == ({"default": A}, "a")
    assert world.moves == [ExitTransition("default", Disconnected(), state)]
    world.intent.set_goal("default", B)
    assert await record.adoptable(world, world.store.settings) == {}, "something else is wanted by now"


async def test_after_a_restore_nothing_is_left_to_take_over(world: World, exits: Exits) -> None:
    await exits.connect("default", A)
    state = exits.get("default").state
    exits.freeze()
    assert world.frozen
    assert world.moves[-1] == ExitTransition("default", state, Disconnected(), "restored", MOVED)
    await exits.enter("default", replace(state))
    assert not (world.directory / "runtime.json").exists()


async def test_the_network_tells_the_machines_what_happened(world: World, exits: Exits) -> None:
    await exits.connect("default", A)
    (subscriber,) = world.subscribers
    machine = exits.get("default")
    subscriber(DriftRepaired((missing("wg9a"),)))
    assert machine._event is None
    subscriber(WanMoved())
    assert machine._event is Reason.WAN_DOWN
    subscriber(DriftRepaired((missing("wg0a"),)))
    await until(lambda: any(isinstance(m.new, Blocked) for m in world.moves))
    assert next(m.new for m in world.moves if isinstance(m.new, Blocked)).reason is Reason.TUNNEL_LOST


async def test_a_move_that_no_state_allows_is_refused(exits: Exits) -> None:
    with pytest.raises(AssertionError):
        await exits.enter("default", Disconnected())


async def test_a_move_that_the_kernel_refuses_is_none(world: World, exits: Exits) -> None:
    world.refuses = True
    with pytest.raises(KernelError):
        await exits.enter("default", Connecting(tunnel(A)))
    assert (exits.get("default").state, world.moves) == (Disconnected(), [])


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
