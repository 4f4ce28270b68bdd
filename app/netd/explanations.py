"""The commands that explain: why a device is in its present state, and what would become of its packets.

The plan's evaluator (:mod:`app.explain.carrier`) is loaded at the first question, and runs beside the event loop: it
reads the whole ruleset as text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec.structs import replace

from app.addresses import Address, Family, is_routable
from app.errors import InvalidFieldError, NotFoundError, TooManyRequestsError
from app.explain.decision import Decide, Decision
from app.explain.facts import Facts
from app.explain.sentences import failover_sentence
from app.explain.supposition import supposed
from app.hostnames import is_host_name
from app.model import Lease, Links, Neighbour, Settings, VpnPolicy
from app.netd.device_names import LookUp
from app.netd.known_device import KnownDevices, literal
from app.network.plan import PlanInput
from app.protocol.commands import Explain, GetWhy, HandlerEntry
from app.protocol.explanations import Explanation, Successor, Supposition, Why
from app.protocol.status import Attestation, ExitState, ExitStatus
from app.store import Store
from app.tunnel.states import Target

if TYPE_CHECKING:
    from app.explain.carrier import Carrier

Answer = TypeVar("Answer")

FURTHEST = 366 * 86400.0  # seconds from now
MOST_WAITING = 8  # questions
MAX_PORT = 65535
AS_NOW = "The exits are taken as they are now: what they do until then is not known."
NOT_SEEN = "The gateway has not seen this device in the LAN lately: look at its cable or its Wi-Fi."


class ExplainedNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def inputs(self) -> PlanInput: ...

    @property
    def links(self) -> Links: ...

    @property
    def attestation(self) -> Attestation: ...

    @property
    def problem(self) -> str | None: ...

    async def drops(self) -> dict[str, int]: ...


class Explanations:
    """The handlers of GetWhy and Explain. They change nothing."""

    def __init__(
        self,
        *,
        store: Store,
        network: ExplainedNetwork,
        exits: Callable[[], Iterable[ExitStatus]],
        leases: Callable[[], Awaitable[Iterable[Lease]]],
        neighbours: Callable[[], Iterable[Neighbour]],
        decide: Decide,
        changed: Callable[[str], float | None],
        look_up: LookUp,
        foretold: Callable[[str], Awaitable[Target | None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._network = network
        self._exits = exits
        self._leases = leases
        self._neighbours = neighbours
        self._decide = decide
        self._changed = changed
        self._look_up = look_up
        self._foretold = foretold
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return GetWhy.handled_by(self._why), Explain.handled_by(self._explain)

    async def why(self, mac: str) -> Why:
        """The present state of the device. Raises TooManyRequestsError."""
        known = await self._known()
        decision = self._decide(self._store.settings, mac, self._clock())
        facts, inputs = self._facts(known, mac, decision, Supposition()), self._network.inputs
        drops = await self._network.drops()
        changed, notes = self._changed(mac), (*self._notes(facts), *((NOT_SEEN,) if not known.seen(mac) else ()))

        def answer() -> Why:
            from app.explain import answers  # noqa: PLC0415 - see above

            ask = answers.Ask(known.own(mac))
            return answers.why(facts, _carrier(inputs), ask, drops=drops, changed=changed, notes=notes)

        with self._place():
            return await self._evaluated(answer)

    # --- handlers ----------------------------------------------------------------------------------------------------

    async def _why(self, command: GetWhy) -> Why:
        return await self.why((await self._known()).find(command.mac, "mac"))

    async def _explain(self, command: Explain) -> Explanation:
        known = await self._known()
        mac = known.find(command.device)
        destination = _destination(command.destination)
        if not 0 < command.port <= MAX_PORT:
            raise InvalidFieldError(f"port: 1 to {MAX_PORT}", field="port")
        decision = self._decision(command, mac)
        facts = await self._with_failover(self._facts(known, mac, decision, command.suppose))
        hypothetical = command.when is not None or command.suppose != Supposition()
        notes = self._notes(facts)
        if command.when is not None:
            notes = (*notes, AS_NOW)
        # A device that waits goes on waiting, which is no policy that could be supposed.
        other = command.when is not None and decision.origin != "waiting"
        policy = decision.policy if other or command.suppose.policy is not None else None
        inputs = supposed(self._network.inputs, mac, policy, command.suppose)
        own = known.own(mac)
        with self._place():
            looked = await self._looked(destination, facts, inputs, own)

            def answer() -> Explanation:
                from app.explain import answers  # noqa: PLC0415

                ask = answers.Ask(own, command.protocol, command.port)
                to = answers.Looked(*looked) if isinstance(looked, tuple) else looked
                return answers.explanation(facts, _carrier(inputs), ask, to, supposed=hypothetical, notes=notes)

            return await self._evaluated(answer)

    # --- parts -------------------------------------------------------------------------------------------------------

    async def _known(self) -> KnownDevices:
        return KnownDevices(self._store.settings.devices, tuple(await self._leases()), tuple(self._neighbours()))

    def _decision(self, command: Explain, mac: str) -> Decision:
        """Raises InvalidFieldError (``when``), NotFoundError (``if.policy``, ``if.exit_down``)."""
        now, settings, suppose = self._clock(), self._store.settings, command.suppose
        when = now if command.when is None else command.when
        if not abs(when - now) <= FURTHEST:
            raise InvalidFieldError("when: a Unix time within a year from now", field="when")
        if suppose.exit_down is not None:
            _check_exit(suppose.exit_down, settings, "if.exit_down")
        if suppose.policy is None:
            return self._decide(settings, mac, when)
        if isinstance(suppose.policy, VpnPolicy):
            _check_exit(suppose.policy.exit, settings, "if.policy")
        return Decision(suppose.policy, "own")

    def _facts(self, known: KnownDevices, mac: str, decision: Decision, suppose: Supposition) -> Facts:
        policy = decision.policy
        exit_name = policy.exit if isinstance(policy, VpnPolicy) else None
        links = self._network.links
        return Facts(
            mac=mac,
            name=known.name(mac),
            decision=decision,
            exit=next((status for status in self._exits() if status.name == exit_name), None),
            supposed_down=exit_name is not None and suppose.exit_down == exit_name,
            wan=links.wan is not None and links.wan.usable and not suppose.wan_down,
            wan_message=links.problem.message if links.problem else None,
        )

    async def _with_failover(self, facts: Facts) -> Facts:
        """``facts`` with what failover would do for the exit that is supposed to be down, if it is meant to be up."""
        if not (facts.supposed_down and facts.wan) or facts.exit is None or facts.exit.state is ExitState.DISCONNECTED:
            return facts  # nobody would dial anything
        enabled = self._store.settings.failover.enabled
        target = await self._foretold(facts.exit.name) if enabled else None
        provider, server = (None, None) if target is None else (target.provider, target.hostname)
        told = failover_sentence(server, provider, enabled=enabled)
        return replace(facts, failover=Successor(provider, server, told))

    def _notes(self, facts: Facts) -> tuple[str, ...]:
        found: list[str] = []
        if self._network.problem is not None:
            found.append(f"The rules in force are older than the settings: {self._network.problem}.")
        elif not self._network.attestation.ok:
            found.append("The kernel's rules differ from the plan just now; they are being repaired.")
        if facts.exit is not None and facts.exit.dns_problem is not None:
            found.append(f"Names: {facts.exit.dns_problem}.")
        return tuple(found)

    async def _looked(
        self, destination: Address | str, facts: Facts, inputs: PlanInput, own: Mapping[Family, Address]
    ) -> Address | tuple[str, int | None, tuple[Address, ...] | None]:
        """The address, or the name with the resolver that was asked for it and the answer.

        A resolver may take seconds, in which others have their turn.
        """
        if not isinstance(destination, str):
            return destination

        def resolver() -> int | None:
            from app.explain import answers  # noqa: PLC0415

            return answers.resolver(_carrier(inputs), facts, answers.Ask(own))

        port = await self._evaluated(resolver)
        return destination, port, None if port is None else await self._look_up(destination, port)

    @contextmanager
    def _place(self) -> Generator[None]:
        """A place among the questions that are being answered. Raises TooManyRequestsError."""
        if self._waiting >= MOST_WAITING:
            raise TooManyRequestsError("too many questions at once: ask again in a moment", code="busy")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _evaluated(self, work: Callable[[], Answer]) -> Answer:
        """The result of ``work``, which holds the whole ruleset in memory: so one at a time."""
        async with self._turn:
            return await asyncio.to_thread(work)


def _carrier(inputs: PlanInput) -> Carrier:
    from app.explain.carrier import Carrier  # noqa: PLC0415 - see above

    return Carrier(inputs)


def _destination(text: str) -> Address | str:
    """The address of a host, or a host name. Raises InvalidFieldError (``destination``)."""
    address = literal(text)
    if address is not None:
        if not (is_routable(address) or address.is_link_local):
            raise InvalidFieldError("destination: the address of one host", field="destination")
        return address
    if not is_host_name(text):
        raise InvalidFieldError("destination: an address, or a name such as www.example.org", field="destination")
    return text.lower().removesuffix(".")


def _check_exit(name: str, settings: Settings, field: str) -> None:
    if not name or name not in settings.exits:
        raise NotFoundError(
            f"there is no exit {name!r}; there are {', '.join(filter(None, settings.exits))}", field=field
        )
