"""The proof with real packets: the canary's rounds, and what a person's own browser sends."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app.api.auth.caller import caller
from app.api.context import gateway
from app.api.operation import Success, operation
from app.protocol.canary import CanaryStatus, Evidence, Observation, ProofProbe, ProofState
from app.protocol.canary import Proof as FoundProof
from app.protocol.commands import GetCanary, GetProof, OpenExits, StartProof

blueprint = Blueprint("proof", __name__)


class Canary(Struct, frozen=True):
    """The canary's rounds since netd's start; ``latest`` has the last one of each device that it is."""

    enabled: bool
    interval: float
    rounds: int
    probes: int
    leaked: int
    shut: str | None
    problem: str | None
    latest: tuple[Observation, ...]


class Proof(Struct, frozen=True):
    """What the gateway sees of one browser; ``evidence`` is in the order of ``probes``, once it is ``done``."""

    id: str
    state: ProofState
    seconds: float
    probes: tuple[ProofProbe, ...]
    evidence: tuple[Evidence, ...]
    control: bool | None
    problem: str | None


def _canary(found: CanaryStatus) -> Canary:
    return Canary(
        found.enabled,
        found.interval,
        found.rounds,
        found.probes,
        found.leaked,
        found.shut,
        found.problem,
        found.latest,
    )


def _proof(found: FoundProof) -> Proof:
    return Proof(found.id, found.state, found.seconds, found.probes, found.evidence, found.control, found.problem)


@operation(blueprint, "GET", "/api/canary")
async def canary() -> Canary:
    """Get what the canary's probes have shown, sent as a device of the LAN at a low rate."""
    return _canary(await gateway().submit(GetCanary()))


@operation(blueprint, "POST", "/api/canary/open", errors=(409,))
async def open_exits() -> Success:
    """Open the exits that a leak of the canary's packets has shut."""
    return Success(True, (await gateway().submit(OpenExits())).message)


@operation(blueprint, "POST", "/api/proof", scope="public", limit="connection", needs_owner=False)
async def start_proof() -> Proof:
    """Watch for some seconds what the caller's browser sends to addresses that are made for it.

    Nobody answers at these addresses, and no service outside is asked. It needs no password, so that any device of the
    LAN can prove itself; two at a time, and a device once.
    """
    return _proof(await gateway().submit(StartProof(caller().address)))


@operation(blueprint, "GET", "/api/proof/<id>", scope="public", errors=(404,))
async def proof(id: Annotated[str, Meta(min_length=1, max_length=64)]) -> Proof:  # noqa: A002
    """Get a proof by its id, which only the browser knows that began it."""
    return _proof(await gateway().submit(GetProof(id)))
