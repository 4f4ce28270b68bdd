"""The leak test: checks of the kernel's state, of the tunnel, and of the address that the Internet sees."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from app import __version__
from app.addresses import Address
from app.canary.identity import Identity
from app.canary.verdict import check as packets_check
from app.canary.verdict import report
from app.errors import KernelError, TooManyRequestsError, UnavailableError
from app.model import Links
from app.netd.resolver_report import describe
from app.network.plan import exit_interface, exit_mark
from app.network.resolvers import Answer, ResolverChoice
from app.network.wireguard.types import WireGuardBackend
from app.protocol.answers import Check, LeakReport
from app.protocol.canary import Observation
from app.protocol.commands import HandlerEntry, LeakTest
from app.protocol.status import Attestation
from app.store import Store
from app.tunnel.exitcheck import Confirm, check_exit_address
from app.tunnel.handshake import peer_of
from app.tunnel.machine import ExitMachine
from app.tunnel.resolver_check import check
from app.tunnel.states import Connected, State, Tunnel

SHARED = 2.0  # seconds that a result is good for everybody
REJECT_AFTER = 180.0  # seconds a WireGuard session lasts without a new handshake (WireGuard paper, section 6.1)


class LeakNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def links(self) -> Links: ...

    @property
    def attestation(self) -> Attestation: ...

    def resolvers(self, exit_name: str) -> ResolverChoice: ...

    async def verify(self) -> tuple[str, ...]: ...

    async def drops(self) -> dict[str, int]: ...


class LeakExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    @property
    def backend(self) -> WireGuardBackend: ...

    def get(self, name: str) -> ExitMachine: ...

    def exit_confirmation(self, tunnel: Tunnel) -> Confirm: ...


class LeakProber(Protocol):
    """What is used of :class:`app.netd.canary.prober.Prober`."""

    def identity(self, exit_name: str) -> Identity | None: ...

    async def round(self, identity: Identity) -> Observation: ...


class LeakTester:
    """The handler of LeakTest. It reads, and with a ``prober`` it sends probes as a device of the exit.

    ``suspect`` is called with an exit whose device's packets have leaked.
    """

    def __init__(
        self,
        network: LeakNetwork,
        exits: LeakExits,
        store: Store,
        prober: LeakProber | None = None,
        suspect: Callable[[str], object] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._suspect = suspect
        self._prober = prober
        self._network = network
        self._exits = exits
        self._store = store

        # Each with the exit and its state at the start: a result is good for that state alone.
        self._running: tuple[tuple[str, State], asyncio.Task[LeakReport]] | None = None
        self._latest: tuple[tuple[str, State], float, LeakReport] | None = None

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (LeakTest.handled_by(self._share),)

    async def _share(self, command: LeakTest) -> LeakReport:
        """The result of a test of this exit as it is: the one under way, one of the last seconds, or a new one.

        A test takes the lock that repairs take, so that one runs at a time: many in a row would delay a repair. Raises
        NotFoundError, TooManyRequestsError (``busy``: another exit is being tested).
        """
        machine = self._exits.get(command.exit)
        while True:
            tested, running = (command.exit, machine.state), self._running
            if (latest := self._latest) and latest[0] == tested and self._clock() - latest[1] < SHARED:
                return latest[2]
            if running is None or running[1].done():
                running = self._running = tested, asyncio.create_task(self._run(command, tested), name="leak test")
            elif running[0][0] != command.exit:
                raise TooManyRequestsError("another exit is being tested; try again in a moment", code="busy")
            report = await asyncio.shield(running[1])  # also where the client that began it has gone
            if running[0] == tested:
                return report

    async def _run(self, command: LeakTest, tested: tuple[str, State]) -> LeakReport:
        """Test, and keep the result with its time; whoever waits for it does neither."""
        report = await self._test(command)
        self._latest = tested, self._clock(), report
        return report

    async def _test(self, command: LeakTest) -> LeakReport:
        """Run all checks of one exit.

        The kernel's state is judged by two looks and by what was repaired between them: netd closes a hole within a
        second, so that a look alone may find none where somebody makes one again and again.
        """
        machine = self._exits.get(command.exit)
        repairs, first = self._network.attestation.repairs, await self._look()
        checks: list[Check] = []
        if isinstance(machine.state, Connected):
            checks += await self._tunnel(machine, machine.state)
        else:
            checks.append(
                Check(
                    "tunnel",
                    "unknown",
                    f"Exit {command.exit} is not connected: its devices are blocked, none is let out.",
                )
            )
        seen = await self._packets(command.exit, checks)
        checks.append(await self._drops())
        last, attestation = await self._look(), self._network.attestation
        repaired = attestation.drift if attestation.repairs != repairs else ()
        checks = [rules_check(first, last, repaired), self._kill_switch(), *checks]
        ok = all(c.result != "failed" for c in checks)
        if seen is None:
            return LeakReport(ok, tuple(checks))
        return LeakReport(ok, tuple(checks), seen.evidence, report(seen, __version__), seen.control)

    async def _packets(self, exit_name: str, checks: list[Check]) -> Observation | None:
        """Send probes as a device of the exit, and add the check of where they were seen."""
        identity = self._prober.identity(exit_name) if self._prober is not None else None
        if self._prober is None or identity is None:
            return None
        try:
            seen = await self._prober.round(identity)
        except UnavailableError as error:
            message = f"No probes were sent as a device of the LAN: {error.message}."
            checks.append(Check("packets", "unknown", message))
            return None
        checks.append(packets_check(seen))
        if seen.leaked:
            self._suspect(identity.name)
        return seen

    async def _look(self) -> tuple[str, ...] | None:
        """What the kernel does not hold as planned now; None where it could not be read."""
        try:
            return await self._network.verify()
        except (KernelError, OSError, TimeoutError):
            return None

    def _kill_switch(self) -> Check:
        if self._network.attestation.ok:
            return Check("kill_switch", "ok", "The kill switch is active.")
        return Check("kill_switch", "failed", "The kill switch could not be confirmed at the last look.")

    async def _tunnel(self, machine: ExitMachine, state: Connected) -> list[Check]:
        ipv6 = state.tunnel.plan.carries_all(6)
        return [
            await self._handshake(machine, state),
            await self._address(machine, state, ipv6=ipv6),
            await self._dns(machine),
            Check("ipv6", "ok", f"IPv6 is {'carried by the tunnel' if ipv6 else 'stopped: this tunnel has none'}."),
        ]

    async def _handshake(self, machine: ExitMachine, state: Connected) -> Check:
        interface = exit_interface(machine.index, state.tunnel.slot)
        try:
            peer = peer_of(await self._exits.backend.stats(interface), state.tunnel.peer_key)
        except KernelError:
            return Check("handshake", "unknown", "WireGuard could not be asked.")
        return handshake_check(peer.latest_handshake if peer else None, time.time())

    async def _address(self, machine: ExitMachine, state: Connected, *, ipv6: bool) -> Check:
        url = self._store.settings.exit_check_url
        if url is None:
            return Check("exit_address", "unknown", "The exit address is not asked for: the settings say never.")
        confirm = self._exits.exit_confirmation(state.tunnel)
        mark = exit_mark(machine.index)
        resolvers = self._network.resolvers(machine.name).order
        seen = await check_exit_address(url, resolvers, mark, ipv6=ipv6, confirm=confirm)
        if seen is None:
            return Check("exit_address", "unknown", "Nobody answered, through the tunnel, which address is seen.")
        wan = self._network.links.wan
        server = str(state.tunnel.endpoint.address)
        return address_check(seen.ip, tuple(str(a.ip) for a in wan.addresses) if wan else (), server, seen.confirmed)

    async def _dns(self, machine: ExitMachine) -> Check:
        choice, mark = self._network.resolvers(machine.name), exit_mark(machine.index)
        answers = await asyncio.gather(*(check(resolver, mark) for resolver in choice.order))
        return dns_check(choice, dict(zip(choice.order, answers, strict=True)))

    async def _drops(self) -> Check:
        try:
            drops = await self._network.drops()
        except (KernelError, OSError):
            return Check("drops", "unknown", "The counters of stopped packets could not be read.")
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(drops.items()) if count)
        return Check("drops", "ok", f"Packets stopped so far: {counts or 'none'}.")


def rules_check(first: tuple[str, ...] | None, last: tuple[str, ...] | None, repaired: tuple[str, ...] = ()) -> Check:
    """The verdict on the kernel's state during the test (pure).

    ``first`` and ``last`` are what was found wrong at its beginning and end (None = it could not be read), ``repaired``
    is what was put right in between.
    """
    if last:
        return Check("rules", "failed", f"The kernel does not hold what was planned: {'; '.join(last)}.")
    if found := tuple(dict.fromkeys((*(first or ()), *repaired))):
        now = " It does now." if last is not None else ""
        message = f"During the test the kernel did not hold what was planned: {'; '.join(found)}.{now}"
        return Check("rules", "failed", message)
    if first is None or last is None:
        return Check("rules", "unknown", "The kernel's rules and routes could not be read.")
    return Check("rules", "ok", "Firewall, routes, the WAN's own filter and settings of the kernel are as planned.")


def handshake_check(latest: float | None, now: float) -> Check:
    """The verdict on a handshake at ``latest`` (Unix time, None = never) as of ``now`` (pure)."""
    if latest is None:
        return Check("handshake", "failed", "The tunnel has had no handshake.")
    age = max(0.0, now - latest)
    if age <= REJECT_AFTER:
        return Check("handshake", "ok", f"The tunnel's last handshake was {age:.0f} s ago.")
    # An idle tunnel makes no handshakes, so this alone is not a failure.
    return Check("handshake", "unknown", f"The tunnel's last handshake was {age:.0f} s ago; it may just be idle.")


def dns_check(choice: ResolverChoice, answers: Mapping[Address, Answer]) -> Check:
    """The verdict on the resolvers in use, of which each has just been asked (pure).

    The check ``rules`` covers the kernel. A resolver that does not answer leaks nothing, but is not "ok" either.
    """
    # An error is an answer: a company's resolver need not know the root, and yet knows the names that devices ask for.
    working = [str(a) for a in choice.order if answers.get(a, Answer.SILENT) is not Answer.SILENT]
    fault = describe(choice, {a for a, answer in answers.items() if answer is Answer.SILENT})
    errors = ", ".join(str(a) for a, answer in answers.items() if answer is Answer.FAILING)
    notes = [*([f"{errors} answered with an error"] if errors else []), *([fault] if fault else [])]
    if working:
        also = f" Note: {'; '.join(notes)}." if notes else ""
        return Check("dns", "ok", f"Names are looked up by {', '.join(working)}, through the tunnel only.{also}")
    message = "; ".join(notes) or "the tunnel has no resolver"
    return Check("dns", "unknown", f"{message[0].upper()}{message[1:]}.")


def address_check(seen: str, wan: tuple[str, ...], server: str = "", confirmed: bool | None = None) -> Check:
    """The verdict on the address ``seen`` from the Internet (pure).

    ``wan`` are the WAN port's own addresses, ``server`` is the address of the peer, ``confirmed`` the provider's answer
    whether ``seen`` is one of its exits. Behind another router, a leak would show that router's address, which is
    unknown here: an address that is neither gets "unknown".
    """
    if seen in wan:
        return Check("exit_address", "failed", f"The outside sees {seen}, the WAN port's own address.")
    if confirmed is False:
        return Check("exit_address", "failed", f"The outside sees {seen}; the provider does not know it for its own.")
    if confirmed or seen == server:
        return Check("exit_address", "ok", f"The outside sees {seen}, the VPN's own address.")
    return Check(
        "exit_address", "unknown", f"The outside sees {seen}. It must not be the address of your Internet connection."
    )
