"""The password asked for again, of clients that have signed in already.

A stolen cookie or an admin's API key is not enough to take the keys out of the gateway, to replace its state, to let a
device out in the clear or to make further credentials: for those the request itself carries the password, and the code
of the second factor where there is one.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from app.api.auth.caller import caller
from app.api.auth.guard import auth
from app.api.auth.principal import require_owner
from app.api.context import gateway
from app.errors import GatewayError, missing_password
from app.protocol.commands import Command, SetOwner

R = TypeVar("R")


async def confirm_password(password: str | None, code: str | None) -> str:
    """The right password.

    Raises ForbiddenError (``set_password_first``, ``wrong_password``), InvalidFieldError (there is none),
    TooManyRequestsError (too many were wrong).
    """
    require_owner()
    if password is None:
        raise missing_password()
    await auth().sign_in.confirm(password, code, caller(), field="password")
    return password


async def submit_confirmed(command: Command[R], password: str | None, code: str | None, *, needed: bool = False) -> R:
    """The answer of netd to a command that may let devices out in the clear; ``needed``: it does so for sure.

    Else netd says whether it does. Raises what :func:`confirm_password` raises, and what netd raises.
    """
    if password is None and not needed:
        return await submit_unconfirmed(command)
    confirmed = await confirm_password(password, code)
    return await submit_as_owner(replace(command, password=confirmed), confirmed)


async def submit_unconfirmed(command: Command[R]) -> R:
    """The answer of netd, which may ask for the password. Raises InvalidFieldError (``password``) then."""
    try:
        return await gateway().submit(command)
    except GatewayError as error:
        if error.code != "set_password_first":
            raise
    require_owner()  # there is one, of whom netd learns with the password
    raise missing_password()


async def submit_as_owner(command: Command[R], password: str) -> R:
    """The answer of netd to a command that carries the confirmed ``password``, which netd checks again.

    Where netd knows of no owner yet (the password was set by an earlier version), it learns the password now.
    """
    try:
        return await gateway().submit(command)
    except GatewayError as error:
        if error.code != "set_password_first":
            raise
    await gateway().submit(SetOwner(password))
    return await gateway().submit(command)
