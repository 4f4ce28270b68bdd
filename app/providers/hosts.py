"""The hosts of one API: the one that answered last is asked first, the others where it cannot be reached."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from app.addresses import Address
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
from app.https.transport import Destination, Transport, tls_context
from app.providers.cdn import refused_by_network
from app.providers.config import ApiConfig, is_https
from app.providers.errors import BadAnswerError, BlockedError, ProviderDownError


class Host(Struct, frozen=True):
    to: Destination
    base: str  # path before that of every request


class _NotAskedError(Exception):
    """The API did not see the request, so that another host can be asked the same; ``error`` is for the caller."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__()
        self.error = error


def _no_addresses() -> tuple[Address, ...]:
    return ()


class ApiHosts:
    """Sends each request to one host after the other until one is reached.

    A request that may have been seen is never sent a second time. ``known_addresses`` are tried under the first host's
    name where its look-up fails or misleads.
    """

    def __init__(
        self,
        transport: Transport,
        config: ApiConfig,
        title: str,
        known_addresses: Callable[[], tuple[Address, ...]] = _no_addresses,
    ) -> None:
        if not all(map(is_https, config.urls)):
            raise ValueError(f"{title}: the API's URL must begin with https:// and a host")
        self._transport = transport
        self._ca = config.ca
        self._title = title
        self._known_addresses = known_addresses
        self._hosts = [_host(config, url) for url in config.urls]
        self._last = self._hosts[0]

    async def send(self, make: Callable[[Host], Request], *, limit: int, timeout: float) -> Response:
        """The answer of the first host that is reached; ``timeout`` is for each, with its answer.

        Raises ProviderDownError, BlockedError (both of the host asked first), BadAnswerError.
        """
        failure: GatewayError | None = None
        for host in self._in_order():
            try:
                answer = await self._exchange(host, make(host), limit, timeout)
            except _NotAskedError as not_asked:
                failure = failure or not_asked.error
                continue
            self._last = host
            return answer
        assert failure is not None
        raise failure

    def _in_order(self) -> list[Host]:
        hosts = [self._last, *(host for host in self._hosts if host != self._last)]
        known, first = self._known_addresses(), self._hosts[0]
        if known:
            hosts.append(replace(first, to=replace(first.to, addresses=known)))
        return hosts

    async def _exchange(self, host: Host, request: Request, limit: int, timeout: float) -> Response:
        title, name = self._title, host.to.host
        connected = False
        try:
            check_request(request)
            async with asyncio.timeout(timeout), AsyncExitStack() as stack:
                # In a thread, because loading the system's authorities takes tens of milliseconds on a Pi. The context
                # is not cached, to save memory.
                tls = await asyncio.to_thread(tls_context, self._ca)
                streams = await stack.enter_async_context(self._transport.open_connection(host.to, tls))
                connected = True
                answer = await exchange(streams, request, limit=limit)
        except UnsendableRequestError:
            raise BadAnswerError(f"{title}: a request could not be encoded") from None
        except AnswerTooLargeError:
            raise BadAnswerError(f"{title} sent more than {limit} bytes; the rest was not read") from None
        except NotHttpError:
            raise BadAnswerError(f"{title} sent something that is not HTTP") from None
        except (TimeoutError, OSError) as failure:
            error = _unreachable(failure, title, name, timeout)
            if connected:
                raise error from None
            raise _NotAskedError(error) from None
        if refused_by_network(answer):
            raise _NotAskedError(_blocked(title, name, answer.status))
        return answer


def _host(config: ApiConfig, url: str) -> Host:
    parts = urlsplit(url)
    addresses = config.addresses if url == config.url else ()
    to = Destination(parts.hostname or "", parts.port or 443, addresses, config.certificate)
    return Host(to, parts.path.rstrip("/"))


def _unreachable(failure: TimeoutError | OSError, title: str, name: str, timeout: float) -> ProviderDownError:
    if isinstance(failure, ssl.SSLCertVerificationError):
        return ProviderDownError(
            f"{title}: the certificate of {name} is not trusted ({failure.verify_message}); "
            "check this gateway's clock, and whether something on your network intercepts connections",
            code="provider_certificate",
        )
    if isinstance(failure, TimeoutError):
        return ProviderDownError(f"{title}: {name} did not answer within {timeout:.0f} s")
    reason = failure.strerror or type(failure).__name__
    return ProviderDownError(f"{title}: {name} cannot be reached ({reason})")


def _blocked(title: str, name: str, status: int) -> BlockedError:
    return BlockedError(
        f"{title}: the protection of {name} against robots refuses this gateway (HTTP {status}); it has not looked at "
        "the account. Try again later, or import one of the provider's .conf files"
    )
