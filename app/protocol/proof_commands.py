"""The commands of the proof with real packets: the canary, and what a browser sends."""

from __future__ import annotations

from app.protocol.answers import Done
from app.protocol.canary import CanaryStatus, Proof
from app.protocol.command import Command


class GetCanary(Command[CanaryStatus], frozen=True, tag="get_canary"):
    """The canary's rounds, and what they have shown."""

    during_bulk = True


class OpenExits(Command[Done], frozen=True, tag="open_exits"):
    """Open the exits that a leak of the canary's packets has shut. Raises ConflictError (``not_shut``)."""


class StartProof(Command[Proof], frozen=True, tag="start_proof"):
    """Watch what the browser at ``client`` sends, for some seconds; that address alone is not watched twice at once.

    Raises TooManyRequestsError (``busy``), UnavailableError.
    """

    during_bulk = True

    client: str | None = None


class GetProof(Command[Proof], frozen=True, tag="get_proof"):
    """A proof by its id. Raises NotFoundError, also once it is old."""

    during_bulk = True

    id: str
