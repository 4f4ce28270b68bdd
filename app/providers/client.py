"""The client of a provider's API: it sends requests and turns refusals into the provider's errors.

netd marks each socket and opens the firewall for exactly its destination, so the caller supplies the
:class:`app.https.transport.Transport`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Unpack
from urllib.parse import urlsplit

from app.errors import GatewayError
from app.https.exchange import (
    AnswerTooLargeError,
    NotHttpError,
    Request,
    Response,
    UnsendableRequestError,
    check_request,
    exchange,
)
from app.https.headers import retry_after
from app.https.transport import Destination, Transport, tls_context
from app.providers.config import ApiConfig, is_https
from app.providers.decode import decode_answer
from app.providers.errors import BadAnswerError, ProviderDownError, RateLimitedError, RefusedError
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

    def __init__(self, transport: Transport, config: ApiConfig, title: str) -> None:
        if not is_https(config.url):
            raise ValueError(f"{title}: the API's URL must begin with https:// and a host")
        parts = urlsplit(config.url)
        self.title = title
        self._transport = transport
        self._to = Destination(parts.hostname or "", parts.port or 443, config.addresses)
        self._base = parts.path.rstrip("/")
        self._ca = config.ca
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

        Raises ProviderDownError (unreachable, or a server error), RateLimitedError, BadAnswerError (too large, or not
        HTTP).
        """
        pause = self._paused_until - time.monotonic()
        if pause > 0:
            raise self._rate_limited(pause)
        request = write_request(self._to, method, self._base + path, etag=etag, **content)
        return self._check_available(await self._exchange(request, limit, timeout))

    async def _exchange(self, request: Request, limit: int, timeout: float) -> Response:
        try:
            check_request(request)
            async with asyncio.timeout(timeout):
                # In a thread, because loading the system's authorities takes tens of milliseconds on a Pi. The context
                # is not cached, to save memory.
                tls = await asyncio.to_thread(tls_context, self._ca)
                async with self._transport.open_connection(self._to, tls) as streams:
                    return await exchange(streams, request, limit=limit)
        except UnsendableRequestError:
            raise BadAnswerError(f"{self.title}: a request could not be encoded") from None
        except AnswerTooLargeError:
            raise BadAnswerError(f"{self.title} sent more than {limit} bytes; the rest was not read") from None
        except NotHttpError:
            raise BadAnswerError(f"{self.title} sent something that is not HTTP") from None
        except ssl.SSLCertVerificationError as failure:
            raise ProviderDownError(
                f"{self.title}: the certificate of {self._to.host} is not trusted ({failure.verify_message}); "
                "check this gateway's clock, and whether something on your network intercepts connections",
                code="provider_certificate",
            ) from None
        except TimeoutError:
            raise ProviderDownError(f"{self.title}: {self._to.host} did not answer within {timeout:.0f} s") from None
        except OSError as failure:
            reason = failure.strerror or type(failure).__name__
            raise ProviderDownError(f"{self.title}: {self._to.host} cannot be reached ({reason})") from None

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
