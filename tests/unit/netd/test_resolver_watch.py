"""The watch over the resolvers: what is in use while one or all are silent, and what is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network

import msgspec
import pytest

from app.addresses import Address
from app.netd.network_parts import NetworkChange, PlanApplied
from app.netd.resolver_watch import CONFIRMED, ResolverWatch
from app.network.plan import ExitPlan, TunnelPlan, exit_mark
from app.network.resolvers import Answer, ResolverChoice, choose
from app.protocol.events import SecurityAlert, StatusChanged
from app.protocol.status import ExitState, ExitStatus
from tests.unit.network.scenarios import tunnel

FIRST, SECOND, SPARE = "10.64.0.1", "10.64.0.2", "9.9.9.9"
BOTH = (FIRST, SECOND)
LAN = (ip_network("192.168.77.0/24"),)


class Fakes:
    """A network with one exit, and its resolvers; those in ``silent`` do not answer."""

    def __init__(self) -> None:
        self.active: TunnelPlan | None = tunnel(dns=BOTH)
        self.answers: Mapping[Address, Answer] = {}
        self.silent: set[str] = set()
        self.refusing: set[str] = set()
        self.held: asyncio.Event | None = None  # until it is set, the silent ones are not known to be silent
        self.asked: list[tuple[str, int]] = []
        self.orders: list[list[str]] = []
        self.published: list[object] = []
        self.watch = ResolverWatch(self, self.published.append, self.ask)

    @property
    def exit_plans(self) -> tuple[ExitPlan, ...]:
        if self.active is None:
            return (ExitPlan("default", 0),)
        return (ExitPlan("default", 0, msgspec.structs.replace(self.active, dns=self.resolvers("default").order)),)

    def resolvers(self, exit_name: str) -> ResolverChoice:
        assert exit_name == "default"
        if self.active is None:
            return ResolverChoice()
        return choose(self.active, (ip_address(SPARE),), LAN, self.answers)

    async def use_answers(self, exit_name: str, answers: Mapping[Address, Answer]) -> None:
        before = self.order
        self.answers = answers
        if self.order != before:
            self.orders.append(self.order)

    def subscribe(self, subscriber: Callable[[NetworkChange], object]) -> None:
        self.notify = subscriber

    async def ask(self, resolver: Address, mark: int) -> Answer:
        self.asked.append((str(resolver), mark))
        if str(resolver) in self.silent:
            if self.held is not None:
                await self.held.wait()
            return Answer.SILENT
        return Answer.FAILING if str(resolver) in self.refusing else Answer.GOOD

    @property
    def order(self) -> list[str]:
        return [str(a) for a in self.resolvers("default").order]

    @property
    def alerts(self) -> list[str]:
        return [e.message for e in self.published if isinstance(e, SecurityAlert)]

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            await self.watch.check()


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


async def test_resolvers_that_answer_stay_in_order_and_nothing_is_said(fakes: Fakes) -> None:
    await fakes.rounds(CONFIRMED + 1)
    assert (fakes.order, fakes.orders, fakes.published) == ([FIRST, SECOND], [], [])
    assert set(fakes.asked) == {(FIRST, exit_mark(0)), (SECOND, exit_mark(0))}, "the fallback is not asked for nothing"


async def test_silent_first_resolver_is_replaced_at_once_and_told_once(fakes: Fakes) -> None:
    fakes.silent = {FIRST}
    await fakes.rounds(1)
    assert (fakes.order, fakes.alerts) == ([SECOND, FIRST], [])
    await fakes.rounds(CONFIRMED + 2)
    assert fakes.alerts == [f"the resolver {FIRST} does not answer; names are looked up by {SECOND}"]
    assert StatusChanged("default") in fakes.published


async def test_new_tunnel_uses_the_resolver_that_answers_first(fakes: Fakes) -> None:
    fakes.silent, fakes.held = {FIRST}, asyncio.Event()
    checking = asyncio.create_task(fakes.watch.check())
    async with asyncio.timeout(10):
        while not fakes.orders:
            await asyncio.sleep(0)
    assert not checking.done()
    assert fakes.order == [SECOND, FIRST]
    fakes.held.set()
    await checking


async def test_resolver_that_answers_again_has_its_place_back(fakes: Fakes) -> None:
    fakes.silent = {FIRST}
    await fakes.rounds(CONFIRMED)
    fakes.silent = set()
    await fakes.rounds(1)
    assert fakes.order == [FIRST, SECOND]
    assert fakes.watch.completed(ExitStatus("default", ExitState.CONNECTED)).dns_problem is None


async def test_fallback_is_used_once_all_are_known_to_be_silent(fakes: Fakes) -> None:
    """Names go to the fallback only then: a lost answer must not send them to other resolvers."""
    fakes.silent = {FIRST, SECOND}
    await fakes.rounds(CONFIRMED - 1)
    assert (fakes.order, fakes.alerts) == ([FIRST, SECOND], [])
    assert (SPARE, exit_mark(0)) not in fakes.asked
    await fakes.rounds(1)
    assert fakes.order == [SPARE, FIRST, SECOND]
    (message,) = fakes.alerts
    assert "instead, inside the tunnel" in message
    status = fakes.watch.completed(ExitStatus("default", ExitState.CONNECTED))
    assert (status.resolvers, status.dns_problem) == ((SPARE, FIRST, SECOND), message)
    fakes.silent = set()
    await fakes.rounds(1)
    assert fakes.order == [FIRST, SECOND]


async def test_nothing_that_answers_is_told_as_that(fakes: Fakes) -> None:
    fakes.silent = {FIRST, SECOND, SPARE}
    await fakes.rounds(CONFIRMED)
    assert fakes.order == [FIRST, SECOND]
    (message,) = fakes.alerts
    assert "no name can be looked up" in message


async def test_errors_of_all_resolvers_lead_on_to_the_fallback(fakes: Fakes) -> None:
    """They know the names of their own network, so they stay first; dnsmasq goes on after an error."""
    fakes.refusing = {FIRST, SECOND}
    await fakes.rounds(1)
    assert fakes.order == [FIRST, SECOND, SPARE]
    assert fakes.alerts == []


async def test_resolver_in_the_lan_is_told_when_the_tunnel_is_up(fakes: Fakes) -> None:
    fakes.active = tunnel(dns=("192.168.77.243",))
    await fakes.rounds(2)
    assert fakes.order == [SPARE]
    (message,) = fakes.alerts
    assert message.startswith("the resolver 192.168.77.243 lies in this gateway's own LAN")
    assert message.endswith(f"names are looked up by {SPARE} (fallback_dns) instead, inside the tunnel")


async def test_split_tunnel_without_a_resolver_says_so(fakes: Fakes) -> None:
    fakes.active = tunnel(dns=("10.64.0.1",), routes=("10.65.0.0/24",))
    await fakes.rounds(2)
    assert (fakes.order, fakes.asked) == ([], [])
    (message,) = fakes.alerts
    assert "AllowedIPs" in message
    assert "no name can be looked up: name a resolver" in message


async def test_next_tunnel_begins_anew(fakes: Fakes) -> None:
    fakes.silent = {FIRST}
    await fakes.rounds(CONFIRMED)
    fakes.active = tunnel("b", dns=BOTH)
    fakes.silent = set()
    await fakes.rounds(1)
    assert fakes.order == [FIRST, SECOND]
    fakes.active = None
    await fakes.rounds(1)
    assert fakes.watch.completed(ExitStatus("default", ExitState.BLOCKED)).resolvers == ()


async def test_new_tunnel_is_checked_without_delay(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.netd.resolver_watch.CHECK_INTERVAL", 3600)
    fakes.active = None
    running = asyncio.create_task(fakes.watch.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fakes.active = tunnel(dns=BOTH)
    fakes.notify(PlanApplied())
    async with asyncio.timeout(20):
        while len(fakes.asked) < 2:
            await asyncio.sleep(0)
    running.cancel()
