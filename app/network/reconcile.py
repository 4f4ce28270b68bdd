"""The reconciler: makes the kernel match a plan, and keeps it so.

The order of steps ensures that at every moment nothing passes that both the old and the new plan forbid. The filters
on the WAN's links are set before all else. A port that must not be in the LAN's bridge is removed from it next; others
lose the filter of the start and are added once the ruleset is in force. Interfaces are created then, because a
flowtable needs them, without addresses and routes. Then the ruleset is replaced in one transaction: it alone decides
which packets may leave by which interface, so from here on the new plan's limits hold whatever the routes are. Routes
follow, ``unreachable`` ones first, so that no rule leads to an empty table; then rules; then forwarding. State that is
no longer used is removed last. A failed step does not prevent the others, so that everything that can be blocked is
blocked. But where the ruleset could not be replaced, nothing is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pyroute2.netlink.exceptions import NetlinkError

from app.addresses import Address
from app.errors import KernelError
from app.network import drift, links, nft, routes, rtnetlink, sysctl
from app.network.firewall import Firewall
from app.network.monitor import changes
from app.network.netlink_raw import attributes
from app.network.plan import NetworkPlan
from app.network.port_filters import WAN_PORT, PortFilters
from app.network.ruleset.bridge import DHCP, ROUTERS
from app.network.wireguard.types import WireGuardBackend
from app.protocol.status import Attestation

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECK_INTERVAL = 2.0  # seconds between checks without a notification
SYSCTL_INTERVAL = 0.5  # seconds; the kernel sends no notification of these, but they are quick to read
DEBOUNCE = 0.05  # seconds; one change causes many notifications
APPLY_TIMEOUT = 90.0  # seconds; far more than a plan takes
SETTLE_TIME = 0.1  # seconds after a plan was applied: its own notifications arrive then, and often the next plan
REPORT_INTERVAL = 60.0  # seconds until the same problem is reported again

_NDA_DESTINATION, _NDA_ADDRESS = 1, 2

RULESET_CHANGED = "the nftables ruleset was changed"


class _Steps:
    """The steps of applying a plan: each is tried, and failures are collected.

    ``last`` is the plan that was in force until now, if any; ``drift`` lists what has changed in the kernel since.
    """

    def __init__(self, last: NetworkPlan | None = None) -> None:
        self.failures: list[Exception] = []
        self.last = last
        self.drift: list[str] = []

    async def wait(self, step: Awaitable[object]) -> bool:
        try:
            await step
        except Exception as error:
            self._note(error)
            return False
        return True

    def do(self, step: Callable[..., object], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Exception as error:
            self._note(error)

    def attempt(self, step: Callable[..., list[T]], *arguments: Any) -> list[T]:
        """The step's list; an empty one where it failed."""
        try:
            return step(*arguments)
        except Exception as error:
            self._note(error)
            return []

    def _note(self, error: Exception) -> None:
        if not isinstance(error, KernelError | NetlinkError | OSError):
            log.error("a step of a plan failed because of a bug", exc_info=error)
        self.failures.append(error)

    def finish(self) -> None:
        """Raises KernelError if anything failed."""
        if self.failures:
            text = "; ".join(dict.fromkeys(describe(f) for f in self.failures))
            raise KernelError(text) from ExceptionGroup("not all of the plan could be applied", self.failures)


class Reconciler:
    """The owner of the kernel state of ``NetworkPlan``. ``on_drift`` receives everything that had to be restored."""

    def __init__(
        self,
        backend: WireGuardBackend,
        *,
        on_drift: Callable[[tuple[str, ...]], None],
        firewall: Firewall | None = None,
    ) -> None:
        self._backend = backend
        self._on_drift = on_drift
        self._firewall = firewall or Firewall()
        self._filters = PortFilters()
        self._routes = routes.RoutingReader()
        self._lock = asyncio.Lock()
        self._plan: NetworkPlan | None = None
        self._foreign: tuple[str, ...] = ()
        self._reported: tuple[tuple[str, ...], float] = ((), 0.0)
        self._applied = -SETTLE_TIME  # when, on the monotonic clock
        self.attestation = Attestation(ok=False)

    # --- applying --------------------------------------------------------------------------------------------------

    async def apply(self, plan: NetworkPlan, *, routed: Callable[[], Awaitable[None]] | None = None) -> None:
        """Make the kernel match ``plan``. Idempotent. Raises KernelError after all steps have been tried.

        ``routed`` is called once the new routes are set, before old state is removed, so that its caller waits less.
        After a failure too, :meth:`run` keeps trying to apply ``plan``. Drift from the last plan that is repaired here
        is counted and reported like the drift that :meth:`run` finds.
        """
        async with self._lock:
            kept = self._plan if self.attestation.ok else None
            self._plan = plan
            steps = _Steps(kept)
            try:
                await self._apply_plan(plan, steps, routed)
            except KernelError:
                self._attest(ok=False, found=tuple(steps.drift))
                raise
            finally:
                self._applied = time.monotonic()
                if steps.drift:
                    self._report(tuple(steps.drift))
            self._attest(ok=True, found=tuple(steps.drift))

    async def _apply_plan(
        self, plan: NetworkPlan, steps: _Steps, routed: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        try:
            async with asyncio.timeout(APPLY_TIMEOUT):
                await self._steps(plan, steps, routed)
        except TimeoutError as error:
            raise KernelError("the kernel did not answer in time") from error
        except OSError as error:
            raise KernelError(describe(error)) from error
        steps.finish()

    async def _steps(self, plan: NetworkPlan, steps: _Steps, routed: Callable[[], Awaitable[None]] | None) -> None:
        state = links.read_links()
        if steps.last is not None:
            with contextlib.suppress(KernelError, OSError):  # loading the next ruleset will report the same error
                steps.drift += [] if await self._firewall.matches(steps.last) else [RULESET_CHANGED]
            steps.drift += drift.kept_links_drift(steps.last, plan, state, self._backend.kind)
            steps.drift += drift.kept_sysctls_drift(steps.last, plan)
            steps.drift += steps.attempt(self._filters.kept_drift, steps.last, plan, state)
        for egress in steps.attempt(self._filters.wrong, plan, state):
            steps.do(self._filters.install, egress, state)
        self._remove_bridge_ports(plan, state, steps)
        missing = [link.name for link in plan.links if not drift.usable(link, state, self._backend.kind)]
        for name in missing:
            await steps.wait(self._backend.create(name))
        if missing:
            self._firewall.invalidate()
            state = links.read_links()

        locked = await steps.wait(self._firewall.apply(plan))
        if locked:
            steps.do(self._filters.clear_lan, plan, state)
            self._add_bridge_ports(plan, state, steps)
        try:
            await self._routing(plan, state, steps, routed, locked=locked)
        finally:
            await steps.wait(self._firewall.attest())

    async def _routing(
        self,
        plan: NetworkPlan,
        state: dict[str, links.LinkState],
        steps: _Steps,
        routed: Callable[[], Awaitable[None]] | None,
        *,
        locked: bool,
    ) -> None:
        self._set_addresses(plan, state, steps)
        live = self._read(state)  # after the addresses: a link loses its routes with its last one
        if steps.last is not None:
            steps.drift += drift.kept_routing_drift(steps.last, plan, live)
        indices = {name: link.index for name, link in state.items()}
        missing = [route for route in plan.routes if route not in live.routes]
        for route in (r for r in missing if r.kind == "unreachable"):
            steps.do(routes.replace_route, route, indices)
        for route in (r for r in missing if r.kind != "unreachable" and locked):
            steps.do(routes.replace_route, route, indices)
        if routed is not None:
            await steps.wait(routed())

        rules = drift.planned_rules(plan)
        for rule in sorted(rules - set(live.rules), key=lambda r: r.priority, reverse=True):
            steps.do(routes.add_rule, rule)
        for raw in (*(raw for rule, raw in live.rules.items() if rule not in rules), *_raw(live.foreign_rules)):
            steps.do(routes.delete_rule, raw)

        for name, value in plan.sysctls:
            if (locked or not sysctl.enables_forwarding(name)) and sysctl.read(name) not in {value, None}:
                steps.do(sysctl.write, name, value)

        if missing and (live.foreign_routes or set(live.routes) - set(plan.routes)):
            live = self._read(state)  # without those that the new ones have replaced
        wanted = set(plan.routes)
        for raw in (*(raw for route, raw in live.routes.items() if route not in wanted), *_raw(live.foreign_routes)):
            steps.do(routes.delete_route, raw)
        for name in drift.unexpected_interfaces(plan, state):
            await steps.wait(self._backend.remove(name))

    def _remove_bridge_ports(self, plan: NetworkPlan, state: dict[str, links.LinkState], steps: _Steps) -> None:
        if plan.bridge is not None:
            for name in drift.bridge_changes(plan.bridge, state)[0]:
                steps.do(links.set_bridge, state[name], 0)

    def _add_bridge_ports(self, plan: NetworkPlan, state: dict[str, links.LinkState], steps: _Steps) -> None:
        if plan.bridge is not None:
            for name in drift.bridge_changes(plan.bridge, state)[1]:
                steps.do(links.set_bridge, state[name], state[plan.bridge.name].index)

    def _set_addresses(self, plan: NetworkPlan, state: dict[str, links.LinkState], steps: _Steps) -> None:
        for link in plan.links:
            if link.name in state and not links.as_planned(link, state[link.name]):
                steps.do(links.apply_link, link, state[link.name])
        renumbered: set[str] = set()
        for name, link in state.items():
            for address in drift.obsolete_addresses(plan, name, link):
                renumbered.add(name)  # with a primary address the kernel removes its secondary ones
                steps.do(links.delete_address, link.index, address)
        for name, address in plan.lan_addresses:
            if name not in state:
                steps.failures.append(KernelError(f"there is no interface {name}"))
                continue
            if not state[name].up:
                steps.do(links.set_up, state[name])
            if address not in state[name].addresses or name in renumbered:
                steps.do(links.add_address, state[name].index, address)

    def _read(self, state: dict[str, links.LinkState]) -> routes.LiveRouting:
        return self._routes.read({link.index: name for name, link in state.items()})

    @property
    def plan(self) -> NetworkPlan | None:
        """The last plan that was passed to :meth:`apply`."""
        return self._plan

    # --- attesting -------------------------------------------------------------------------------------------------

    async def verify(self) -> tuple[str, ...]:
        """The drift from the last plan now; empty = none. Raises KernelError, OSError."""
        async with self._lock:
            if self._plan is None:
                return ("no plan has been applied yet",)
            return await self._drift(self._plan)

    async def _drift(self, plan: NetworkPlan, *, settle: bool = False) -> tuple[str, ...]:
        """``settle``: first do what a port that has just appeared needs, which is no drift."""
        state = links.read_links()
        if settle:
            self._filters.settle(plan, state)
        live = self._read(state)
        found = [] if await self._firewall.matches(plan) else [RULESET_CHANGED]
        found += self._filters.drift(plan, state)
        found += drift.links_drift(plan, state, self._backend.kind)
        found += drift.routing_drift(plan, live)
        found += drift.sysctls_drift(plan)
        return tuple(found)

    async def run(self) -> None:
        """Watch the kernel and repair drift, for ever."""
        while True:
            try:
                await self._watch()
            except Exception as error:
                log.exception("attestation failed")
                self._attest(ok=False)
                self._report((f"attestation failed: {describe(error)}",), repeated=True)
                await asyncio.sleep(SYSCTL_INTERVAL)

    async def _watch(self) -> None:
        events = changes()
        try:
            checked = 0.0
            while True:
                announced = await events.wait(SYSCTL_INTERVAL, DEBOUNCE)
                due = time.monotonic() - checked >= CHECK_INTERVAL
                if announced:
                    await asyncio.sleep(max(0.0, self._applied + SETTLE_TIME - time.monotonic()))
                if announced or due or (self._plan is not None and drift.sysctls_drift(self._plan)):
                    checked = time.monotonic()
                    await self._check_and_repair()
        finally:
            events.close()

    async def _check_and_repair(self) -> None:
        async with self._lock:
            if self._plan is None:
                return
            found = await self._drift(self._plan, settle=True)
            foreign = nft.foreign_tables()
            news = tuple(f"foreign nftables table {name}" for name in foreign if name not in self._foreign)
            self._foreign = foreign
            if not found:
                self._attest(ok=True)
                if news:
                    self._report(news)
                return
            try:
                await self._apply_plan(self._plan, _Steps())
            except KernelError as error:
                self._attest(ok=False, found=found)
                self._report((*found, *news, f"repair failed: {error.message}"), repeated=True)
            else:
                self._attest(ok=True, found=found)
                self._report((*found, *news))

    def _attest(self, *, ok: bool, found: tuple[str, ...] = ()) -> None:
        last = self.attestation
        repairs = last.repairs + (1 if ok and found else 0)
        self.attestation = Attestation(ok, time.time(), repairs, found or last.drift)

    def _report(self, news: tuple[str, ...], *, repeated: bool = False) -> None:
        """Report ``news``. ``repeated``: a lasting problem, reported once in ``REPORT_INTERVAL`` seconds."""
        now = time.monotonic()
        last_news, when = self._reported
        if repeated and news == last_news and now - when < REPORT_INTERVAL:
            return
        self._reported = (news, now)
        try:
            self._on_drift(news)
        except Exception:
            log.exception("the drift could not be reported: %s", "; ".join(news))

    # --- queries -----------------------------------------------------------------------------------------------------

    async def drops(self) -> dict[str, int]:
        """Dropped packets by reason; neither replacing the ruleset nor a restart of netd loses any. Raises OSError."""
        return {**self._firewall.drops(), WAN_PORT: self._filters.read_drops()}

    async def foreign(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The LAN's ports with a foreign DHCP server, and those with a foreign router. Raises KernelError."""
        dhcp, routers = await nft.elements("bridge", DHCP), await nft.elements("bridge", ROUTERS)
        return dhcp, routers

    async def neighbours(self, mac: str) -> list[Address]:
        """The addresses of the device with ``mac``, from the neighbour tables."""
        wanted = bytes.fromhex(mac.replace(":", ""))
        found: list[Address] = []
        for family in routes.FAMILIES.values():
            for body in rtnetlink.dump(rtnetlink.GET_NEIGHBOUR, family):
                attrs = attributes(body[rtnetlink.NEIGHBOUR.size :])
                if attrs.get(_NDA_ADDRESS) == wanted and _NDA_DESTINATION in attrs:
                    found.append(rtnetlink.address(attrs[_NDA_DESTINATION]))
        return found


def _raw(foreign: tuple[tuple[str, bytes], ...]) -> tuple[bytes, ...]:
    return tuple(raw for _, raw in foreign)


def describe(error: BaseException) -> str:
    """The error as text for people, without its type."""
    if isinstance(error, KernelError):
        return error.message
    if isinstance(error, NetlinkError):
        return f"netlink: {error.args[1] if len(error.args) > 1 else error}"
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return f"the kernel: {error.strerror}"
    return str(error) or type(error).__name__
