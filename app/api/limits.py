"""The rate limits of the API, in requests a second for each client (docs/api.md).

A client is an address, plus its credentials where they are valid, so that two programs on one machine do not slow each
other. IPv6 clients count by their whole address and not by its /64: on a LAN all devices share the /64, and one of them
must not use up another's share. A device may take many addresses; the limit protects against mistakes and loops, not
against a determined neighbour, and its memory is bounded.

The page's own files and ``/ws`` are not limited. ``/health`` has a count of its own, for monitors. A query on a
WebSocket counts as a request, and so does each connection that a GraphQL request makes.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItemPerSecond
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter
from msgspec import Struct
from quart import Quart, Response, current_app, g, has_websocket_context, request, websocket

from app.api.operation import Limit, Operation
from app.errors import TooManyRequestsError

MAX_CLIENTS = 4096  # remembered at once; beyond, the one least recently seen is forgotten
PREFIXES = ("/api", "/graphql", "/metrics", "/health")
EXTENSION = "vpn_gateway_limiter"
_STATE = "rate_limit_state"
_CREDENTIALS = "rate_limit_credentials"


class Rates(Struct, frozen=True):
    """Requests a second for one client."""

    general: int = 10
    connection: int = 5


DEFAULT = Rates()


class State(Struct, frozen=True):
    limit: int
    remaining: int
    reset: float  # seconds from now until the oldest request counted no longer counts


class BoundedStorage(Storage, MovingWindowSupport):
    """A bounded count in memory, for :mod:`limits`.

    The library's own counts by the wall clock, which on a Pi jumps by years at its first synchronisation and back when
    it is set by hand (a client would be shut out until the old time has come again); it has no bound, and starts a
    task for every request.
    """

    STORAGE_SCHEME = None

    def __init__(self, most: int = MAX_CLIENTS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._times)

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = deque(maxlen=limit)
            if len(self._times) > self._most:
                self._times.popitem(last=False)
        else:
            self._times.move_to_end(key)
        self._forget(times, expiry)
        if len(times) + amount > limit:
            return False
        times.extend([self._clock()] * amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002
        times = self._times.get(key)
        if times:
            self._forget(times, expiry)
        return (times[0], len(times)) if times else (self._clock(), 0)

    def _forget(self, times: deque[float], expiry: int) -> None:
        start = self._clock() - expiry
        while times and times[0] <= start:
            times.popleft()

    # Required by the base class, for other strategies:

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError

    def get(self, key: str) -> int:
        return len(self._times.get(key, ()))

    def get_expiry(self, key: str) -> float:
        raise NotImplementedError

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        count = len(self._times)
        self._times.clear()
        return count

    def clear(self, key: str) -> None:
        self._times.pop(key, None)


class Limiter:
    def __init__(self, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self._items: dict[Limit, RateLimitItemPerSecond] = {
            "general": RateLimitItemPerSecond(rates.general),
            "connection": RateLimitItemPerSecond(rates.connection),
        }
        self._clock = clock
        self.storage = BoundedStorage(clock=clock)
        self._limiter = MovingWindowRateLimiter(self.storage)

    def hit(self, kind: Limit, *client: str) -> State:
        """Count a request. Raises TooManyRequestsError, with the seconds to wait; then it was not counted."""
        item = self._items[kind]
        if not self._limiter.hit(item, kind, *client):
            state = self.state(kind, *client)
            raise TooManyRequestsError(
                f"too many requests: at most {item.amount} a second", code="rate_limited", retry_after=state.reset
            )
        return self.state(kind, *client)

    def state(self, kind: Limit, *client: str) -> State:
        item = self._items[kind]
        stats = self._limiter.get_window_stats(item, kind, *client)
        return State(item.amount, max(0, stats.remaining), max(0.0, stats.reset_time - self._clock()))


def client_address(remote: str | None) -> str:
    """The canonical spelling of an address: without zone, IPv4 not wrapped in IPv6."""
    text = (remote or "").partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return text  # a Unix socket, say
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def remember_credentials(ident: str) -> None:
    """Count this request for the holder of these (valid) credentials at its address."""
    setattr(g, _CREDENTIALS, ident)


def count(kind: Limit) -> None:
    """Count an operation within the current request, or on its WebSocket. Raises TooManyRequestsError."""
    limiter: Limiter | None = current_app.extensions.get(EXTENSION)
    if limiter is not None:
        remote = (websocket if has_websocket_context() else request).remote_addr
        limiter.hit(kind, "", client_address(remote), getattr(g, _CREDENTIALS, ""))


def _operation() -> Operation | None:
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "operation", None)


def _limited() -> bool:
    return any(request.path == prefix or request.path.startswith(f"{prefix}/") for prefix in PREFIXES)


def _key() -> tuple[Limit, str, str, str]:
    found = _operation()
    own = "/health" if request.path == "/health" else ""
    client = client_address(request.remote_addr)
    return (found.limit if found else "general"), own, client, getattr(g, _CREDENTIALS, "")


def install(app: Quart, rates: Rates | None) -> None:
    """Limit every request of the API; None = no limit."""
    if rates is None:
        return
    limiter = app.extensions[EXTENSION] = Limiter(rates)

    async def before_request() -> None:
        if _limited():
            setattr(g, _STATE, limiter.hit(*_key()))

    async def after_request(response: Response) -> Response:
        if _limited():
            # A request refused by the limit, or before it was counted, has no state.
            state: State = getattr(g, _STATE, None) or limiter.state(*_key())
            response.headers["X-RateLimit-Limit"] = str(state.limit)
            response.headers["X-RateLimit-Remaining"] = str(state.remaining)
            response.headers["X-RateLimit-Reset"] = str(math.ceil(time.time() + state.reset))
        return response

    app.before_request(before_request)
    app.after_request(after_request)
