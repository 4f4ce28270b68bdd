"""A provider declares where its server list is and how it is read; one function fetches them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.errors import GatewayError
from app.providers.client import ProviderClient
from app.providers.errors import BadAnswerError
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.relay import RelayList

LIST_LIMIT = 10 * 1024 * 1024
LIST_TIMEOUT = 90.0


@dataclass(frozen=True)
class Limits:
    """Bounds of one answer."""

    size: int = LIST_LIMIT  # bytes
    time: float = LIST_TIMEOUT  # seconds


@dataclass(frozen=True)
class ListAnswer:
    """A list as it came, and what helps to read it."""

    body: bytes
    etag: str | None = None
    more: Mapping[str, bytes] = field(default_factory=dict[str, bytes])  # answers beside the main one, by name
    previous: RelayList | None = None  # the last good list


Parse = Callable[[ListAnswer, AddressPolicy], RelayList]


def always_complete(_: RelayList) -> bool:
    return True


def _no_paths() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class ListSource:
    """A provider's declaration of its list. ``parse`` is pure, runs in a thread and raises BadAnswerError."""

    path: str
    parse: Parse
    limits: Limits = Limits()
    query: Mapping[str, str] | None = None
    api: str | None = None  # the name of the API that has it; None = the provider's main one
    more: Mapping[str, str] = field(default_factory=_no_paths)  # paths that the list is useful without, by name
    complete: Callable[[RelayList], bool] = always_complete  # False: fetch it again although it has not changed


def body_only(parse: Callable[[bytes, AddressPolicy], RelayList]) -> Parse:
    """A :data:`Parse` for a list that its body says all of."""
    return lambda answer, policy: parse(answer.body, policy)


async def fetch(source: ListSource, client: ProviderClient, previous: RelayList | None) -> ListAnswer | None:
    """The list; None where it is still ``previous``. Raises what ``client`` raises, and BadAnswerError."""
    etag = previous.etag if previous is not None and source.complete(previous) else None
    limits = source.limits
    main = await client.send("GET", source.path, query=source.query, etag=etag, limit=limits.size, timeout=limits.time)
    if main.status == 304:
        return None
    if not main.ok:
        raise BadAnswerError(f"{client.title} gave no server list (HTTP {main.status})", code="bad_server_list")
    more: dict[str, bytes] = {}
    for name, path in source.more.items():
        try:
            answer = await client.send("GET", path, limit=limits.size, timeout=limits.time)
        except GatewayError:
            continue
        if answer.ok:
            more[name] = answer.body
    return ListAnswer(main.body, main.headers.get("etag"), more, previous)
