"""The source of a server list: a provider declares its path and parser, and one function fetches all lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.errors import GatewayError
from app.providers.client import ProviderClient
from app.providers.errors import BadAnswerError
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.relay import RelayList

LIST_LIMIT = 32 * 1024 * 1024  # bytes, inflated; NordVPN's, the longest, has some 8 million
LIST_TIMEOUT = 90.0  # seconds
TIME = "{time}"  # in a path: the Unix time of the request, in seconds


@dataclass(frozen=True)
class Limits:
    """The limits of one answer."""

    size: int = LIST_LIMIT  # bytes
    time: float = LIST_TIMEOUT  # seconds


@dataclass(frozen=True)
class ListAnswer:
    """A list as received, and what its parser may need."""

    body: bytes
    etag: str | None = None
    more: Mapping[str, bytes] = field(default_factory=dict[str, bytes])  # further answers, by name
    previous: RelayList | None = None  # the last valid list


Parse = Callable[[ListAnswer, AddressPolicy], RelayList]


def always_complete(_: RelayList) -> bool:
    return True


def _no_paths() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class ListSource:
    """The declaration of a provider's list. ``parse`` is pure, runs in a thread and raises BadAnswerError."""

    path: str
    parse: Parse
    limits: Limits = Limits()
    query: Mapping[str, str] | None = None
    api: str | None = None  # the name of the API; None = the provider's main one
    more: Mapping[str, str] = field(default_factory=_no_paths)  # optional further paths, by name
    complete: Callable[[RelayList], bool] = always_complete  # False: fetch it again even if it has not changed


def body_only(parse: Callable[[bytes, AddressPolicy], RelayList]) -> Parse:
    """A :data:`Parse` that needs only the body."""
    return lambda answer, policy: parse(answer.body, policy)


async def fetch(
    source: ListSource, client: ProviderClient, previous: RelayList | None, now: float
) -> ListAnswer | None:
    """The list; None where ``previous`` is still current. Raises the client's errors and BadAnswerError."""
    etag = previous.etag if previous is not None and source.complete(previous) else None
    limits = source.limits
    path = source.path.replace(TIME, str(int(now)))
    main = await client.send("GET", path, query=source.query, etag=etag, limit=limits.size, timeout=limits.time)
    if main.status == 304:
        return None
    if not main.ok:
        raise BadAnswerError(f"{client.title} sent no server list (HTTP {main.status})", code="bad_server_list")
    more: dict[str, bytes] = {}
    for name, path in source.more.items():
        try:
            answer = await client.send("GET", path, limit=limits.size, timeout=limits.time)
        except GatewayError:
            continue
        if answer.ok:
            more[name] = answer.body
    return ListAnswer(main.body, main.headers.get("etag"), more, previous)
