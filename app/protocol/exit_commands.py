"""The commands about exits: make, change, rename, remove."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from app.addresses import Address
from app.model import ExitSettings, Fallback, Never, Policy, ServerChange, ShortText, TunnelMtu
from app.protocol.answers import Done
from app.protocol.command import Command

Label = Annotated[str, Meta(min_length=1, max_length=64)]


class ExitChange(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A change of an exit; fields that are left out keep their value, null takes it away. ``name`` renames it."""

    name: ShortText | UnsetType = UNSET
    label: Label | UnsetType | None = UNSET
    provider: ShortText | UnsetType | None = UNSET
    target: ShortText | UnsetType | None = UNSET
    fallbacks: Annotated[tuple[Fallback, ...], Meta(max_length=10)] | UnsetType = UNSET
    dns: Annotated[tuple[Address, ...], Meta(max_length=4)] | UnsetType = UNSET
    mtu: TunnelMtu | UnsetType | None = UNSET
    auto_connect: bool | UnsetType = UNSET
    server_changes: Annotated[tuple[ServerChange, ...], Meta(max_length=20)] | UnsetType = UNSET
    never: Never | UnsetType = UNSET


class MakeExit(Command[Done], frozen=True, tag="make_exit"):
    """Make an exit; the others are not touched.

    Raises InvalidFieldError (names the field), ConflictError (``name_in_use``, ``too_many``), KernelError. Then nothing
    has changed.
    """

    in_bulk = True

    exit: ExitSettings


class ChangeExit(Command[Done], frozen=True, tag="change_exit"):
    """Change the settings of the exit ``name``, its name among them; a tunnel that is up stays.

    Only a server that the exit is now set never to use is left.

    Raises as :class:`MakeExit` does, and NotFoundError (``name``), ConflictError (``default_exit``: it keeps its name).
    """

    in_bulk = True

    name: str
    change: ExitChange


class RemoveExit(Command[Done], frozen=True, tag="remove_exit"):
    """Remove the exit ``name``; whatever used it gets the policy ``then``, None = nothing may use it.

    ``password`` is the owner's, for ``then`` that lets devices out directly.

    Raises NotFoundError (``name``; ``then``), ConflictError (``default_exit``: it stays; ``exit_in_use``), KernelError,
    or what checking the password raises.
    """

    in_bulk = True

    name: str
    then: Policy | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"RemoveExit({self.name!r}, {self.then!r})"
