"""The caller's own device: what it may see of itself and decide for itself, without the admin's password.

The device is known by the address of its connection; netd turns it into a MAC address. So nobody may ask on behalf of
another: a request that came by way of a proxy is refused, and so is, even for reading, one that another site has a
browser send. DNS rebinding ends at the ``Host`` header (:mod:`app.api.security`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from quart import Blueprint, has_websocket_context, request, websocket
from werkzeug.datastructures import Headers

from app.api.auth.caller import caller
from app.api.context import gateway
from app.api.operation import operation
from app.api.security import check_same_origin
from app.errors import ConflictError
from app.policy_text import policy_text
from app.protocol.commands import ChangeOwnDevice, GetOwnDevice
from app.protocol.explanations import OwnDevice, Pause

blueprint = Blueprint("own_device", __name__)

PROXY_HEADERS = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
ASK_ADMIN = "Ask the person who looks after this gateway."
CHOOSE = "Choose another exit, or ask the person who looks after this gateway."


class MeBody(Struct, frozen=True):
    mac: str
    name: str | None
    address: str  # that the request came from
    state: Literal["vpn", "direct", "blocked"]
    policy: str  # in force
    exit: str | None
    reason: str | None  # a code, where it is blocked
    since: float | None  # Unix time of this state
    until: float | None  # Unix time at which it ends by itself
    sentence: str  # for people
    next_step: str | None
    self_service: Literal["off", "pause", "exit", "all"]  # what the admin lets this device decide
    exits: tuple[str, ...]  # that it may choose now
    chosen_exit: str | None
    can_pause: bool  # now
    longest_pause: int | None  # seconds; null where it may not pause
    pause: Pause | None  # the one under way


class MeChange(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of the two; a field that is left out stays as it is."""

    exit: Annotated[str, Meta(min_length=1, max_length=32)] | UnsetType | None = UNSET  # null = the admin's choice
    pause: Annotated[int, Meta(ge=0, le=86400)] | UnsetType = UNSET  # seconds from now in the clear; 0 = end it


@operation(blueprint, "GET", "/api/me", scope="public", errors=(404, 409))
async def get_me() -> MeBody:
    """Describe the device that asks: its exit, why it is blocked, and what it may decide itself."""
    return _body(await gateway().submit(GetOwnDevice(_own_address())))


@operation(blueprint, "PATCH", "/api/me", scope="public", limit="connection", needs_owner=False)
async def change_me(body: MeChange) -> MeBody:
    """Choose this device's exit, or pause its VPN for a while, as far as the admin allows it."""
    return _body(await gateway().submit(ChangeOwnDevice(_own_address(), body.exit, body.pause)))


def _own_address() -> str:
    """The address of the device that asks. Raises ForbiddenError (``cross_site``), ConflictError (``proxied``)."""
    headers: Headers = (websocket if has_websocket_context() else request).headers
    check_same_origin(headers)
    if any(name in headers for name in PROXY_HEADERS):
        raise ConflictError(
            "this request came by way of a proxy, whose device it would be about: ask the gateway by its own address",
            code="proxied",
        )
    return caller().address


def _body(own: OwnDevice) -> MeBody:
    why = own.why
    return MeBody(
        mac=why.mac,
        name=why.name,
        address=own.address,
        state=why.state,
        policy=policy_text(why.policy),
        exit=why.exit,
        reason=why.reason,
        since=why.since,
        until=why.until,
        sentence=why.sentence,
        next_step=_next_step(own),
        self_service=own.service.allow,
        exits=own.exits,
        chosen_exit=own.chosen_exit,
        can_pause=own.can_pause,
        longest_pause=own.service.longest_pause if own.can_pause else None,
        pause=own.pause,
    )


def _next_step(own: OwnDevice) -> str | None:
    """What the person at the device can do; the admin's own next step is no use there."""
    if own.why.state != "blocked":
        return None
    return CHOOSE if any(name != own.why.exit for name in own.exits) else ASK_ADMIN
