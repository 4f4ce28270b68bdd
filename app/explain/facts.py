"""What the sentences about a device are made of (pure)."""

from __future__ import annotations

from msgspec import Struct

from app.explain.decision import Decision
from app.model import VpnPolicy
from app.protocol.explanations import Successor
from app.protocol.status import ExitStatus


class Facts(Struct, frozen=True):
    """A device, the policy in force for it, and the state of what carries it; present or supposed."""

    mac: str
    name: str | None  # given, or sent by the device
    decision: Decision
    exit: ExitStatus | None = None  # of the policy; None also where it does not exist
    supposed_down: bool = False  # that exit is down only by supposition
    failover: Successor | None = None  # of that exit then
    wan: bool = True  # whether there is a usable one
    wan_message: str | None = None  # what is wrong with the WAN, with the next step

    @property
    def label(self) -> str:
        return self.name or self.mac

    @property
    def exit_name(self) -> str | None:
        policy = self.decision.policy
        return policy.exit if isinstance(policy, VpnPolicy) else None
