"""Why a device is in its present state, and what would become of its packets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from quart import Blueprint

from app import mac_address
from app.api.context import gateway
from app.api.devices import MacText
from app.api.operation import operation
from app.errors import InvalidFieldError
from app.policy_text import parse_policy, policy_text
from app.protocol.commands import Explain, GetWhy
from app.protocol.explanations import NameAnswer, Origin, Path, Successor, Supposition, TransportProtocol, Verdict, Why
from app.protocol.preferences import PolicyText

blueprint = Blueprint("explanations", __name__)

Text = Annotated[str, Meta(min_length=1, max_length=255)]


class WhyBody(Struct, frozen=True):
    mac: str
    name: str | None  # given by the user, or sent by the device
    state: Literal["vpn", "direct", "blocked"]
    policy: str  # in force
    origin: Origin  # where that policy comes from
    exit: str | None  # of the policy
    reason: str | None  # a code, where the device is blocked
    rule: str | None  # that refuses its packets, as in ``drops`` of the status
    counter: str | None  # of nftables, which counts them
    packets: int | None  # that it has counted, of all devices
    since: float | None  # Unix time of this state; null = from before the network service started
    until: float | None  # Unix time at which it ends by itself
    sentence: str  # for people
    next_step: str | None
    paths: tuple[Path, ...]  # of a packet to the Internet, by family
    notes: tuple[str, ...]  # what else is to be known


class SuppositionBody(Struct, frozen=True, forbid_unknown_fields=True):
    exit_down: Text | None = None  # this exit carries nothing
    policy: PolicyText | None = None  # the device has this policy
    wan_down: bool = False


class ExplainBody(Struct, frozen=True, forbid_unknown_fields=True):
    device: Text  # its MAC address, its address, or its name
    destination: Text  # an address or a name
    protocol: TransportProtocol = "tcp"
    port: Annotated[int, Meta(ge=1, le=65535)] = 443
    when: float | None = None  # Unix time, for schedules; null = now
    suppose: SuppositionBody | None = field(default=None, name="if")


class ExplanationBody(Struct, frozen=True):
    mac: str
    policy: str  # that was used
    origin: Origin
    verdict: Verdict
    sentence: str  # for people
    next_step: str | None
    lookup: NameAnswer | None  # of a destination that is a name
    paths: tuple[Path, ...]
    notes: tuple[str, ...]
    failover: Successor | None  # where the device's own exit is supposed to be down


def why_body(why: Why) -> WhyBody:
    fields: dict[str, Any] = msgspec.structs.asdict(why) | {"policy": policy_text(why.policy)}
    return WhyBody(**fields)


@operation(blueprint, "GET", "/api/devices/<mac>/why")
async def why(mac: MacText) -> WhyBody:
    """Explain why a device has Internet, or has none: the rule, its counter, since when, and what to do."""
    return why_body(await gateway().submit(GetWhy(mac_address.parse_device(mac))))


@operation(blueprint, "POST", "/api/explain", scope="connect", limit="connection", needs_owner=False)
async def explain(body: ExplainBody) -> ExplanationBody:
    """Explain what would become of a packet of a device, now, at another time, or ``if`` something were different.

    A packet is carried through the plan's own rules, routes and filters; none is sent. A name is looked up as for the
    device, through its own exit, and never in the clear.
    """
    found = await gateway().submit(
        Explain(body.device, body.destination, body.protocol, body.port, body.when, _supposition(body.suppose))
    )
    fields: dict[str, Any] = msgspec.structs.asdict(found) | {"policy": policy_text(found.policy)}
    return ExplanationBody(**fields)


def _supposition(body: SuppositionBody | None) -> Supposition:
    if body is None:
        return Supposition()
    try:
        policy = None if body.policy is None else parse_policy(body.policy)
    except InvalidFieldError as error:
        raise InvalidFieldError(f"if.{error.message}", field="if.policy") from None
    return Supposition(body.exit_down, policy, body.wan_down)
