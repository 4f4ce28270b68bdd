"""The commands that explain what becomes of a device's packets, and those about a device's own decisions."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from app.model import SelfService
from app.protocol.answers import Done
from app.protocol.command import Command
from app.protocol.explanations import Explanation, OwnDevice, SelfServices, Supposition, TransportProtocol, Why


class GetWhy(Command[Why], frozen=True, tag="get_why"):
    """Explain the present state of a device. Raises InvalidFieldError (bad MAC), NotFoundError (``mac``)."""

    during_bulk = True

    mac: str


class Explain(Command[Explanation], frozen=True, tag="explain"):
    """Explain what would become of a packet of ``device`` (a MAC address, an address or a name) to ``destination``.

    Nothing is sent, except that a name is looked up through the device's own exit.

    Raises InvalidFieldError (``destination``, ``when``), NotFoundError (``device``, ``if.exit_down``, ``if.policy``),
    ConflictError (``ambiguous_device``), TooManyRequestsError (``busy``).
    """

    during_bulk = True

    device: str
    destination: str
    protocol: TransportProtocol = "tcp"
    port: int = 443
    when: float | None = None  # Unix time; None = now
    suppose: Supposition = Supposition()


class GetOwnDevice(Command[OwnDevice], frozen=True, tag="get_own_device"):
    """Describe the device of the LAN at ``address``. Raises NotFoundError (``not_a_device``)."""

    during_bulk = True

    address: str


class ChangeOwnDevice(Command[OwnDevice], frozen=True, tag="change_own_device"):
    """Change what the device at ``address`` may decide for itself.

    ``exit``: None = the admin's choice again. ``pause``: seconds from now, 0 = it ends. Raises NotFoundError
    (``not_a_device``), ForbiddenError (``not_allowed``), InvalidFieldError (``exit``, ``pause``), ConflictError
    (``blocked_by_admin``, ``too_many``), UnsupportedError, KernelError. Then nothing has changed.
    """

    address: str
    exit: str | UnsetType | None = UNSET
    pause: int | UnsetType = UNSET


class GetSelfService(Command[SelfServices], frozen=True, tag="get_self_service"):
    """What devices may decide for themselves."""

    during_bulk = True


class SetSelfService(Command[Done], frozen=True, tag="set_self_service"):
    """Decide what ``mac`` (None = every device without a rule of its own) may decide for itself.

    ``service`` None removes the device's rule. ``password`` is the owner's, for one that lets devices out directly.
    Raises InvalidFieldError (``exits``, ``mac``), ConflictError (``too_many``), or what checking the password raises.
    """

    in_bulk = True

    mac: str | None
    service: SelfService | None
    password: str | None = None

    def __repr__(self) -> str:
        return f"SetSelfService({self.mac!r}, {self.service!r})"
