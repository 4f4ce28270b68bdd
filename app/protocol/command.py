"""The base of all commands, and the entries of a table of handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Generic, Self, TypeVar, get_args

from msgspec import Struct

R_co = TypeVar("R_co", covariant=True)

Handler = Callable[[Any], Awaitable[Any]]
HandlerEntry = tuple["type[Command[Any]]", Handler]  # of a table, made by :meth:`Command.handled_by`


class Command(Struct, Generic[R_co], frozen=True):
    """A command whose answer is an ``R_co``; where it raises a :class:`app.errors.GatewayError`, nothing changes."""

    during_bulk: ClassVar[bool] = False  # does not wait for an atomic bulk request: it only reads, or stops everything
    in_bulk: ClassVar[bool] = False  # a bulk request may hold it

    @classmethod
    def result_type(cls) -> Any:
        """The type of the answer, as it is decoded at the other end of the socket."""
        (base,) = cls.__dict__["__orig_bases__"]
        return get_args(base)[0]

    @classmethod
    def handled_by(cls, handler: Callable[[Self], Awaitable[R_co]]) -> HandlerEntry:
        """An entry of a table of handlers: the command and its handler, whose types are checked against each other."""
        return cls, handler
