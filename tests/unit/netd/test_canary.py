"""The canary's loop and its door: a leak shuts all exits until every device was clean; what a status then says."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from app.canary.identity import BLOCKED, Identity
from app.canary.verdict import TapResult
from app.errors import ConflictError, KernelError, NotFoundError, TooManyRequestsError, UnavailableError
from app.model import LanLink, LanSettings, Links
from app.netd.canary import proofs as proofs_module
from app.netd.canary.canary import BLIND, Canary
from app.netd.canary.capture import Captured
from app.netd.canary.door import CALM, Door
from app.netd.canary.proofs import AT_ONCE, KEPT, Proofs
from app.netd.network import shut
from app.netd.transition import ExitTransition
from app.network.plan import ExitPlan, TunnelPlan
from app.network.planner import plan
from app.protocol.canary import Evidence, Observation
from app.protocol.commands import GetCanary, GetProof, OpenExits, StartProof
from app.protocol.events import SecurityAlert, StatusChanged
from app.protocol.status import ExitState, ExitStatus
from app.tunnel.states import Connected, Disconnected
from tests.unit.network.scenarios import inputs, tunnel

DEFAULT, WORK, NONE = Identity("default", "a", "default"), Identity("work", "b", "work"), Identity(BLOCKED, "c", None)


class Prober:
    def __init__(self):
        self.leaks: dict[str, int] = {}
        self.across = 0  # rounds that see a packet in another exit's tunnel
        self.problem: str | None = None
        self.away = False
        self.rounds: list[str] = []
        self.after = lambda: None

    def identities(self):
        return (DEFAULT, WORK, NONE)

    async def round(self, identity):
        self.rounds.append(identity.name)
        self.after()
        if self.away:
            raise UnavailableError("the process that watches packets does not answer")
        leaked, crossed = self.leaks.get(identity.name, 0), self.across > 0
        self.across -= 1
        found = Evidence("tcp", 4, True, not leaked, leaked > 0, crossed)
        return Observation(identity.name, "m", 1.0, True, (found,), True, leaked or int(crossed), problem=self.problem)


class Network:
    def __init__(self):
        self.shut = False
        self.fails = False
        self.held: asyncio.Event | None = None

    async def shut_exits(self, *, shut):
        if self.fails:
            raise KernelError("no")
        self.shut = shut
        if self.held is not None:
            await self.held.wait()


@pytest.fixture
def made(tmp_path):
    events: list[object] = []
    prober, network = Prober(), Network()
    record = tmp_path / "canary-shut"
    found = SimpleNamespace(prober=prober, network=network, events=events, record=record, now=0.0)
    found.door = Door(network, events.append, record, lambda: found.now)
    found.canary = Canary(prober=prober, door=found.door, publish=events.append, interval=0.01)
    return found


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def test_it_is_every_device_in_turn(made):
    task = asyncio.create_task(made.canary.run())
    await until(lambda: len(made.prober.rounds) >= 9)
    task.cancel()
    assert set(made.prober.rounds[:3]) == {"default", "work", BLOCKED}
    status = await made.canary._get(GetCanary())
    assert (status.leaked, status.shut, status.problem) == (0, None, None)
    assert status.rounds == status.probes >= 8
    assert {one.device for one in status.latest} == {"default", "work", BLOCKED}
    assert made.events == []


async def test_a_changed_exit_comes_next(made):
    made.canary.on_transition(ExitTransition("work", Disconnected(), SimpleNamespace()))  # type: ignore[arg-type]
    task = asyncio.create_task(made.canary.run())
    await until(lambda: len(made.prober.rounds) >= 2)
    task.cancel()
    assert made.prober.rounds[0] == "work"


async def test_an_exit_that_always_changes_leaves_others_their_turn(made):
    made.prober.after = lambda: made.canary.probe_next("default")
    task = asyncio.create_task(made.canary.run())
    await until(lambda: {"default", "work", BLOCKED} <= set(made.prober.rounds))
    task.cancel()


async def test_a_leak_shuts_until_every_device_is_clean(made):
    made.prober.leaks = {"work": 2}
    task = asyncio.create_task(made.canary.run())
    await until(lambda: made.door.shut is not None)
    assert made.network.shut
    await asyncio.sleep(0.1)  # default and blocked are clean, and that is not enough
    assert made.door.shut is not None
    alerts = [e for e in made.events if isinstance(e, SecurityAlert)]
    assert [a.reason for a in alerts] == ["canary_leak"], "once"
    assert StatusChanged() in made.events
    assert made.record.exists()
    made.prober.leaks = {}
    await until(lambda: made.door.shut is None)
    task.cancel()
    assert not made.network.shut
    assert not made.record.exists()
    counters = made.canary.counters()
    assert counters is not None
    assert (counters.leaked >= 2, counters.leaked % 2, counters.shut) == (True, 0, False)


async def test_doubtful_rounds_open_nothing(made):
    made.prober.leaks = {"work": 1}
    await made.canary.probe(WORK)
    made.prober.leaks, made.prober.problem = {}, "some packets could not be looked at"
    task = asyncio.create_task(made.canary.run())
    await until(lambda: len(made.prober.rounds) > 12)
    task.cancel()
    assert made.door.shut is not None


async def test_the_owner_opens_them(made):
    with pytest.raises(ConflictError):
        await made.canary._open_by_owner(OpenExits())
    made.prober.leaks = {"default": 1}
    await made.canary.probe(DEFAULT)
    made.network.fails = True
    with pytest.raises(KernelError):
        await made.canary._open_by_owner(OpenExits())
    assert made.door.shut is not None, "the kernel did not follow"
    made.network.fails = False
    await made.canary._open_by_owner(OpenExits())
    assert (made.door.shut, made.network.shut) == (None, False)


async def test_a_leak_while_the_owner_opens_is_not_forgotten(made):
    """What the network does and what the canary says are one, whoever is first."""
    made.prober.leaks = {"default": 1}
    await made.canary.probe(DEFAULT)
    made.network.held = asyncio.Event()
    opening = asyncio.create_task(made.canary._open_by_owner(OpenExits()))
    leaking = asyncio.create_task(made.canary.probe(DEFAULT))
    await asyncio.sleep(0.01)
    made.network.held.set()
    await asyncio.gather(opening, leaking)
    assert made.network.shut
    assert made.door.shut is not None
    assert made.record.exists()


async def test_all_are_probed_at_once_when_the_exits_open(made):
    """The fault may be one that a shut exit does not show."""
    made.prober.leaks = {"work": 1}
    await made.canary.probe(WORK)
    await made.canary._open_by_owner(OpenExits())
    assert set(made.canary._changed) == {"default", "work", BLOCKED}


async def test_a_leak_soon_after_needs_twice_as_many_clean_rounds(made):
    """A fault that shows only while the exits are open must not have them open half of the time."""
    needed = []
    for after in (0.0, 10.0, 20.0, CALM + 1):
        made.now += after
        made.prober.leaks = {"work": 1}
        await made.canary.probe(WORK)
        made.prober.leaks = {}
        made.prober.rounds.clear()
        task = asyncio.create_task(made.canary.run())
        await until(lambda: made.door.shut is None)
        task.cancel()
        needed.append(min(made.prober.rounds.count(one) for one in ("default", "work", BLOCKED)))
    assert needed == [1, 2, 4, 1]


async def test_a_device_that_is_no_more_is_not_listed(made):
    await made.canary.probe(WORK)
    await made.canary.probe(Identity("removed", "d", "removed"))
    assert [one.device for one in (await made.canary._get(GetCanary())).latest] == ["work"]


async def test_the_next_netd_keeps_them_shut(made):
    made.prober.leaks = {"default": 1}
    await made.canary.probe(DEFAULT)
    again = Door(made.network, made.events.append, made.record)
    assert again.shut == made.door.shut is not None


async def test_another_tunnel_counts_when_it_is_seen_twice(made):
    made.prober.across = 1  # the policy was about to change
    await made.canary.probe(DEFAULT)
    assert made.door.shut is None
    made.prober.across = 2
    await made.canary.probe(DEFAULT)
    assert made.door.shut is not None


async def test_a_blind_canary_is_reported_once(made):
    made.prober.away = True
    for _ in range(BLIND + 3):
        await made.canary.probe(DEFAULT)
    assert [e.reason for e in made.events] == ["canary_blind"]
    assert (await made.canary._get(GetCanary())).problem == "the process that watches packets does not answer"
    made.prober.away = False
    await made.canary.probe(DEFAULT)
    assert (await made.canary._get(GetCanary())).problem is None


async def test_a_shut_exit_is_shown_as_blocked(made):
    up = ExitStatus("default", ExitState.CONNECTED, server="se", ip="198.51.100.1", uptime=5.0)
    down = ExitStatus("work", ExitState.DISCONNECTED)
    assert made.door.shown(up) == up
    made.prober.leaks = {"default": 1}
    await made.canary.probe(DEFAULT)
    shown = made.door.shown(up)
    assert (shown.state, shown.reason, shown.ip, shown.server) == (ExitState.BLOCKED, "canary_leak", None, "se")
    assert "open them" in (shown.message or "")
    assert made.door.shown(down) == down


@pytest.mark.parametrize("interval", [0.0, 60.0])
async def test_without_a_prober_or_interval_it_rests(made, interval):
    prober = made.prober if interval == 0 else None
    canary = Canary(prober=prober, door=made.door, publish=made.events.append, interval=interval)
    task = asyncio.create_task(canary.run())
    await asyncio.sleep(0.02)
    assert not task.done()
    task.cancel()
    assert (canary.counters(), made.prober.rounds) == (None, [])
    assert not (await canary._get(GetCanary())).enabled


def test_a_shut_plan_keeps_tunnels_that_carry_nothing():
    both = ExitPlan("default", 0, active=tunnel("a"), draining=tunnel("b", peer="198.51.100.8"))
    for exit_plan in (ExitPlan("default", 0, active=tunnel("a")), both):
        closed = shut(exit_plan)
        assert (closed.active, closed.name, closed.index) == (None, "default", 0)
        opened, blocked = (plan(inputs(each)) for each in (exit_plan, closed))
        assert {link.name for link in opened.links} == {link.name for link in blocked.links}
        assert "exit_forward" in opened.ruleset
        assert 'elements = { 0x00000100 . "wg0a"' not in blocked.ruleset
        assert not [r for r in blocked.routes if r.oif in {"wg0a", "wg0b"}]


# --- proofs ----------------------------------------------------------------------------------------------------------


class Capture:
    def __init__(self):
        self.answer: Captured | Exception = Captured((), 0, None)
        self.go = asyncio.Event()

    async def run(self, taps, needles, frames, seconds):
        await self.go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def proofs(capture):
    active: tuple[TunnelPlan, ...] = ()
    network = SimpleNamespace(
        links=Links(None, (LanLink("br-lan", 1500),)), carrying_plans=(ExitPlan("default", 0),), active=active
    )
    store = SimpleNamespace(settings=SimpleNamespace(lan=LanSettings()))
    made = Proofs(network=network, store=store, capture=capture)  # type: ignore[arg-type]
    handlers = dict(made.handlers())
    return handlers[StartProof], handlers[GetProof]


async def test_proofs_are_few_at_once_and_forgotten():
    capture = Capture()
    start, get = proofs(capture)
    running = [await start(StartProof()) for _ in range(AT_ONCE)]
    assert len({p.url for proof in running for p in proof.probes}) == 7 * AT_ONCE, "none has another's addresses"
    with pytest.raises(TooManyRequestsError) as refused:
        await start(StartProof())
    assert 1 <= refused.value.retry_after <= proofs_module.WATCH
    assert (await get(GetProof(running[0].id))).state == "watching"
    capture.go.set()
    for _ in range(KEPT + 2):
        await asyncio.sleep(0)
        last = await start(StartProof())
    await asyncio.sleep(0.01)
    done = await get(GetProof(last.id))
    assert (done.state, done.seconds, len(done.evidence), done.problem) == ("done", 0.0, 7, None)
    for ident in (running[0].id, "none-such"):
        with pytest.raises(NotFoundError):
            await get(GetProof(ident))


async def test_a_device_is_watched_once_and_leaves_room_for_others():
    start, _ = proofs(Capture())
    await start(StartProof("192.168.77.21"))
    with pytest.raises(TooManyRequestsError, match="this device"):
        await start(StartProof("192.168.77.21"))
    await start(StartProof("192.168.77.22"))
    with pytest.raises(TooManyRequestsError, match="other devices"):
        await start(StartProof("192.168.77.23"))


async def test_a_proof_without_capture_says_so():
    start, _ = proofs(None)
    with pytest.raises(UnavailableError):
        await start(StartProof())
    capture = Capture()
    capture.answer = UnavailableError("gone")
    capture.go.set()
    start, get = proofs(capture)
    proof = await start(StartProof())
    await asyncio.sleep(0.01)
    assert (await get(GetProof(proof.id))).problem == "gone"


@pytest.mark.parametrize(
    ("taps", "problem"),
    [
        ((TapResult("lan", {0: 1}, 1), TapResult("wan"), TapResult("control")), "WireGuard's own packets"),
        ((TapResult("lan", {0: 1}, 1), TapResult("wan", missed=1)), "could not be looked at"),
        ((TapResult("lan", {0: 1}, 1), TapResult("wan", error="wan0: gone")), "wan0: gone"),
        ((TapResult("lan", {0: 1}, 1), TapResult("wan"), TapResult("control", matched=1)), None),
    ],
    ids=["no control", "missed", "error", "good"],
)
async def test_a_proof_says_why_it_proves_nothing(taps, problem):
    capture = Capture()
    capture.answer = Captured(taps, 0, None)
    capture.go.set()
    start, get = proofs(capture)
    proof = await start(StartProof())
    await asyncio.sleep(0.01)
    found = (await get(GetProof(proof.id))).problem
    assert found is None if problem is None else problem in found


async def test_finished_proofs_make_room_and_not_running_ones():
    capture = Capture()
    start, get = proofs(capture)
    running = await start(StartProof())
    await asyncio.sleep(0)  # it has begun

    async def at_once(*_: object) -> Captured:
        return Captured((), 0, None)

    capture.run = at_once  # type: ignore[method-assign,assignment]
    for _ in range(KEPT + 2):
        await start(StartProof())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert (await get(GetProof(running.id))).state == "watching"


def test_an_adopted_tunnel_is_no_change_of_state():
    """Observers receive moves between equal states, too, as of a candidate: no reason to probe at once."""
    canary = Canary(prober=None, door=SimpleNamespace(), publish=print, interval=1.0)  # type: ignore[arg-type]
    state = Connected(SimpleNamespace(), 0.0, 0.0)  # type: ignore[arg-type]
    canary.on_transition(ExitTransition("default", state, state))
    assert not canary._changed
