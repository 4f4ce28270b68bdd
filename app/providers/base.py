"""The interface of a provider: a new one is a file that has this shape and a line in :mod:`app.providers.registry`."""

from __future__ import annotations

import unicodedata
from typing import Protocol

from msgspec import Struct

from app.errors import NotFoundError
from app.model import Server, TunnelConfig


class Capabilities(Struct, frozen=True):
    """What a client may offer for this provider."""

    add: bool = False  # servers are added by hand
    import_config: bool = False  # servers come from .conf files
    remove: bool = False
    sign_in: bool = False  # an account is needed before there are servers


class Provider(Protocol):
    @property
    def name(self) -> str:
        """As in the API and in settings; lower case."""
        ...

    @property
    def title(self) -> str:
        """For people."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def servers(self) -> tuple[Server, ...]:
        """All servers, also those that cannot be connected yet (``missing`` says why). Never holds a secret."""
        ...

    async def tunnel(self, hostname: str) -> TunnelConfig:
        """All that is needed to connect to ``hostname``, secrets included: it stays within netd.

        No ``dns`` means the gateway's fallback resolvers, asked inside the tunnel. Raises NotFoundError (no such
        server), ConflictError (it lacks something), NotImplementedYetError (not in this version).
        """
        ...


async def find_server(provider: Provider, hostname: str) -> Server:
    """The server ``hostname`` of ``provider``. Raises NotFoundError (``server``)."""
    name = unicodedata.normalize("NFC", hostname)
    for server in await provider.servers():
        if server.hostname == name:
            return server
    raise no_such_server(provider.title)


def no_such_server(title: str) -> NotFoundError:
    return NotFoundError(f"{title}: there is no such server", field="server")
