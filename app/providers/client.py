"""The client of a provider's API: it sends requests and turns refusals into the provider's errors.

netd marks each socket and opens the firewall for exactly its destination, so the caller supplies the
:class:`app.https.transport.Transport`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Unpack

from app.addresses import Address
from app.errors import GatewayError
from app.https.exchange import Request, Response
from app.https.headers import retry_after
from app.https.transport import Transport
from app.providers.config import ApiConfig
from app.providers.decode import decode_answer
from app.providers.errors import ProviderDownError, RateLimitedError, RefusedError
from app.providers.hosts import ApiHosts, Host
from app.providers.request import Content, write_request

T = TypeVar("T")

ANSWER_LIMIT = 256 * 1024  # bytes; server lists have a limit of their own
TIMEOUT = 20.0  # seconds for one exchange

Problem = int | str | None  # the provider's code for what went wrong; None = nothing


def http_problem(answer: Response) -> Problem:
    """The HTTP status of a refusal; None for an answer that is fine."""
    return None if answer.ok else answer.status


@dataclass(frozen=True)
class Errors:
    """The errors of a provider's API by problem or HTTP status; ``problem`` reads the problem from an answer."""

    by_problem: Mapping[int | str, Callable[[Response], GatewayError]] = field(
        default_factory=dict[int | str, Callable[[Response], GatewayError]]
    )
    problem: Callable[[Response], Problem] = http_problem


NO_ERRORS = Errors()


def raises(kind: type[GatewayError], message: str, **arguments: Any) -> Callable[[Response], GatewayError]:
    """An entry of :class:`Errors` that makes the same error for every answer."""
    return lambda _: kind(message, **arguments)


class ProviderClient:
    """Sends requests to one base URL. Pauses when the provider asks for it (429, 503 with Retry-After)."""

    def __init__(
        self,
        transport: Transport,
        config: ApiConfig,
        title: str,
        known_addresses: Callable[[], tuple[Address, ...]] = tuple,
    ) -> None:
        self.title = title
        self._hosts = ApiHosts(transport, config, title, known_addresses)
        self._paused_until = 0.0

    async def request(
        self,
        method: str,
        path: str,
        *,
        errors: Errors = NO_ERRORS,
        **content: Unpack[Content],
    ) -> Response:
        """The answer to a request that the provider accepted.

        Otherwise raises the error that ``errors`` declare for the problem, or RefusedError; and whatever :meth:`send`
        raises.
        """
        answer = await self.send(method, path, **content)
        problem = errors.problem(answer)
        if problem is None:
            return answer
        make = errors.by_problem.get(problem) or errors.by_problem.get(answer.status)
        raise make(answer) if make is not None else self._refused(answer, problem)

    async def read(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        errors: Errors = NO_ERRORS,
        **content: Unpack[Content],
    ) -> T:
        """The answer as ``kind``. Raises BadAnswerError for another type, and whatever :meth:`request` raises."""
        answer = await self.request(method, path, errors=errors, **content)
        return decode_answer(answer.body, kind, self.title)

    async def send(
        self,
        method: str,
        path: str,
        *,
        etag: str | None = None,
        limit: int = ANSWER_LIMIT,
        timeout: float = TIMEOUT,
        **content: Unpack[Content],
    ) -> Response:
        """The answer with any status below 500 except 429.

        Raises ProviderDownError (unreachable, or a server error), BlockedError, RateLimitedError, BadAnswerError (too
        large, or not HTTP).
        """
        pause = self._paused_until - time.monotonic()
        if pause > 0:
            raise self._rate_limited(pause)

        def make(host: Host) -> Request:
            return write_request(host.to, method, host.base + path, etag=etag, **content)

        return self._check_available(await self._hosts.send(make, limit=limit, timeout=timeout))

    def _check_available(self, answer: Response) -> Response:
        pause = retry_after(answer.headers.get("retry-after"))
        if answer.status == 429 or (answer.status == 503 and pause is not None):
            pause = 60.0 if pause is None else pause
            self._paused_until = time.monotonic() + pause
            raise self._rate_limited(pause)
        if answer.status >= 500:
            raise ProviderDownError(f"{self.title} has an internal error (HTTP {answer.status}); try again later")
        return answer

    def _rate_limited(self, pause: float) -> RateLimitedError:
        return RateLimitedError(
            f"{self.title} asks to wait {pause:.0f} s before the next request", retry_after=round(pause, 1)
        )

    def _refused(self, answer: Response, problem: int | str) -> RefusedError:
        shown = f"HTTP {answer.status}"
        if isinstance(problem, int) and problem != answer.status:
            shown = f"status {problem}"
        elif isinstance(problem, str) and problem.isidentifier() and len(problem) <= 40:
            shown = f"{shown}, {problem}"
        return RefusedError(f"{self.title} refused the request ({shown})")
