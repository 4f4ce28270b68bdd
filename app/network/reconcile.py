"""The reconciler: makes the kernel match a plan, and keeps it so.

``apply`` adds before it deletes and orders its steps so that no moment is more open than both the old and the new plan:
interfaces first (they carry nothing without routes), then the ruleset in one transaction, then routes, then rules, and
only then is taken away what nobody uses any more. It carries on past a failure and reports all of them at the end: a
lock that can be closed is closed, whatever else went wrong.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from app.addresses import Address
from app.errors import KernelError
from app.model import Attestation
from app.network import links as links_
from app.network import nft, routes, sysctl
from app.network.monitor import changes
from app.network.netlink import open_netlink
from app.network.plan import NetworkPlan
from app.network.wireguard import OURS, WireGuardBackend

log = logging.getLogger(__name__)

CHECK_INTERVAL = 2.0  # seconds between looks when nothing was announced
SYSCTL_INTERVAL = 0.5  # seconds; nobody announces a change of these, but they are quick to read
DEBOUNCE = 0.05  # seconds; one change is announced in many messages


class Reconciler:
    """Owns the kernel state of ``NetworkPlan``. ``on_drift`` hears of everything that had to be put back."""

    def __init__(self, backend: WireGuardBackend, *, on_drift: Callable[[tuple[str, ...]], None]) -> None:
        self._backend = backend
        self._on_drift = on_drift
        self._lock = asyncio.Lock()
        self._plan: NetworkPlan | None = None
        self._fingerprint: str | None = None
        self._counted: dict[str, int] = {}  # drops before the present table
        self._applied = False  # whether all of the plan went in at the last apply
        self.attestation = Attestation(ok=False)

    # --- applying --------------------------------------------------------------------------------------------------

    async def apply(self, plan: NetworkPlan) -> None:
        """Make the kernel match ``plan``. Idempotent. Raises KernelError after having tried everything."""
        async with self._lock:
            changed = plan != self._plan
            self._plan = plan
            await self._make_so(plan, reload=changed and not await self._ruleset_is(plan))
            self.attestation = Attestation(True, time.time(), self.attestation.repairs, self.attestation.drift)

    async def _ruleset_is(self, plan: NetworkPlan) -> bool:
        """Whether the live table is the one that this very text gave when it was loaded."""
        return self._loaded_text == plan.ruleset and await self._live_fingerprint() == self._fingerprint

    _loaded_text: str | None = None

    async def _make_so(self, plan: NetworkPlan, *, reload: bool) -> None:
        failures: list[Exception] = []
        self._applied = False

        async def step(what: Awaitable[Any]) -> None:
            try:
                await what
            except (KernelError, NetlinkError, OSError, KeyError) as error:
                failures.append(error)

        async with open_netlink() as ip:
            for link in plan.links:
                await step(self._backend.create(link.name))
            state = await links_.read_links(ip)
            await step(self._links(ip, plan, state))
            for name, value in plan.sysctls:
                if sysctl.read(name) not in {value, None}:
                    try:
                        sysctl.write(name, value)
                    except OSError as error:
                        failures.append(error)
            if reload:
                await step(self._load(plan.ruleset))
            names = {s.index: name for name, s in state.items()}
            indices = {name: s.index for name, s in state.items()}
            live = await routes.read_routes(ip, names)
            wanted = set(plan.routes)
            added = wanted - live
            for route in sorted(added, key=lambda r: r.kind != "unreachable"):
                await step(routes.replace_route(ip, route, indices))
            rules, strangers = await routes.read_rules(ip)
            for rule in set(plan.rules) - rules:
                await step(ip.rule("add", **routes.rule_request(rule)))
            for rule in rules - set(plan.rules):
                await step(ip.rule("del", **routes.rule_request(rule)))
            for _, message in strangers:
                await step(_delete_message(ip, message))
            for route in live - wanted - routes.taken_over(live - wanted, added):
                await step(routes.delete_route(ip, route, indices))
            kept = {link.name for link in plan.links}
            for name in [n for n in state if OURS.fullmatch(n) and n not in kept]:
                await step(self._backend.remove(name))
        if failures:
            text = "; ".join(dict.fromkeys(_describe(f) for f in failures))
            raise KernelError(text) from ExceptionGroup("not all of the plan could be applied", failures)
        self._applied = True

    async def _load(self, ruleset: str) -> None:
        live = await nft.table()
        if live is not None:
            for name, packets in nft.counters(live).items():
                self._counted[name] = self._counted.get(name, 0) + packets
        await nft.load(ruleset)
        self._loaded_text = ruleset
        self._fingerprint = await self._live_fingerprint()

    async def _live_fingerprint(self) -> str | None:
        live = await nft.table()
        return nft.fingerprint(live) if live is not None else None

    async def _links(self, ip: Any, plan: NetworkPlan, state: dict[str, links_.LinkState]) -> None:
        for link in plan.links:
            have = state[link.name]
            for address in set(link.addresses) - have.addresses:
                await links_.add_address(ip, have.index, address, quiet=True)
            for address in have.addresses - set(link.addresses):
                await links_.delete_address(ip, have.index, address)
            if have.mtu != link.mtu or not have.up:
                await ip.link("set", index=have.index, mtu=link.mtu, state="up")
        for name, address in plan.lan_addresses:
            have = state[name]
            if address not in have.addresses:
                await links_.add_address(ip, have.index, address, quiet=False)
            if not have.up:
                await ip.link("set", index=have.index, state="up")

    # --- attesting -------------------------------------------------------------------------------------------------

    async def verify(self) -> tuple[str, ...]:
        """What of the last plan does not hold in the kernel now; empty = all does."""
        plan = self._plan
        if plan is None:
            return ("no plan has been applied yet",)
        drift: list[str] = []
        async with open_netlink() as ip:
            state = await links_.read_links(ip)
            for link in plan.links:
                have = state.get(link.name)
                if have is None:
                    drift.append(f"interface {link.name} is missing")
                elif set(have.addresses) != set(link.addresses) or have.mtu != link.mtu or not have.up:
                    drift.append(f"interface {link.name} was changed")
            kept = {link.name for link in plan.links}
            drift += [f"interface {n} is not ours to have" for n in state if OURS.fullmatch(n) and n not in kept]
            for name, address in plan.lan_addresses:
                if name in state and address not in state[name].addresses:
                    drift.append(f"address {address} of {name} is missing")
            live = await routes.read_routes(ip, {s.index: name for name, s in state.items()})
            drift += [f"route {_route(r)} is missing" for r in set(plan.routes) - live]
            drift += [f"route {_route(r)} was added" for r in live - set(plan.routes)]
            rules, strangers = await routes.read_rules(ip)
            drift += [f"rule {r.priority} (IPv{r.family}) is missing" for r in set(plan.rules) - rules]
            drift += [f"rule {r.priority} (IPv{r.family}) was added" for r in rules - set(plan.rules)]
            drift += [f"a foreign IPv{family} rule comes before ours" for family, _ in strangers]
        drift += self._sysctl_drift()
        if self._loaded_text != plan.ruleset or await self._live_fingerprint() != self._fingerprint:
            drift.append("the nftables ruleset was changed")
        return tuple(drift)

    def _sysctl_drift(self) -> list[str]:
        wanted = self._plan.sysctls if self._plan is not None else ()
        return [f"{name} is not {value}" for name, value in wanted if sysctl.read(name) not in {value, None}]

    async def run(self) -> None:
        """Watch the kernel and put back what drifts, for ever."""
        events = changes()
        checked = 0.0
        while True:
            announced = await events.wait(SYSCTL_INTERVAL, DEBOUNCE)
            if not announced and time.monotonic() - checked < CHECK_INTERVAL and not self._sysctl_drift():
                continue
            checked = time.monotonic()
            try:
                await self._attend()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.exception("attestation failed")
                self._report((f"attestation failed: {_describe(error)}",), ok=False)

    async def _attend(self) -> None:
        async with self._lock:
            if self._plan is None:
                return
            drift = await self.verify()
            foreign = await nft.foreign_tables()
            news = tuple(f"foreign nftables table {name}" for name in foreign if name not in self._foreign)
            self._foreign = foreign
            if not drift:
                if news:
                    self._on_drift(news)
                self.attestation = Attestation(True, time.time(), self.attestation.repairs, self.attestation.drift)
                return
            try:
                await self._make_so(self._plan, reload="the nftables ruleset was changed" in drift)
            except KernelError as error:
                self._report((*drift, *news, f"repair failed: {error.message}"), ok=False)
            else:
                self._report((*drift, *news), ok=True)

    _foreign: tuple[str, ...] = ()

    def _report(self, drift: tuple[str, ...], *, ok: bool) -> None:
        repairs = self.attestation.repairs + (1 if ok else 0)
        self.attestation = Attestation(ok, time.time(), repairs, drift)
        self._on_drift(drift)

    # --- asking ----------------------------------------------------------------------------------------------------

    async def drops(self) -> dict[str, int]:
        """Packets stopped, by reason, since netd started; replacing the ruleset loses none."""
        live = await nft.table()
        now = nft.counters(live) if live is not None else {}
        names = sorted({*now, *self._counted})
        return {n.removeprefix("drop_"): self._counted.get(n, 0) + now.get(n, 0) for n in names}

    async def neighbours(self, mac: str) -> list[Address]:
        """The addresses that the device with ``mac`` uses, from the neighbour tables."""
        found: list[Address] = []
        async with open_netlink() as ip:
            for family in routes.FAMILIES.values():
                async for message in await ip.get_neighbours(family=family):
                    attributes = dict(message["attrs"])
                    if attributes.get("NDA_LLADDR") == mac and "NDA_DST" in attributes:
                        found.append(ip_address(attributes["NDA_DST"]))
        return found


async def _delete_message(ip: Any, message: Any) -> None:
    attributes = dict(message["attrs"])
    request: dict[str, Any] = {"family": message["family"], "priority": attributes.get("FRA_PRIORITY", 0)}
    await ip.rule("del", **request)


def _route(route: Any) -> str:
    return f"{route.dst} in table {route.table}"


def _describe(error: BaseException) -> str:
    if isinstance(error, KernelError):
        return error.message
    if isinstance(error, NetlinkError):
        return f"netlink: {error.args[1] if len(error.args) > 1 else error}"
    if isinstance(error, KeyError):
        return f"interface {error.args[0]} is missing"
    return str(error)
