"""The stored servers of ``custom`` and ``imported``; a server's name is its hostname."""

from __future__ import annotations

import ipaddress

from app.errors import ConflictError, NotFoundError
from app.model import Endpoint, Peer, Server, StoredServer, TunnelConfig
from app.providers.base import no_such_server
from app.providers.client_keys import ClientKeys
from app.providers.server_names import UNKNOWN, city_and_country
from app.store import Store
from app.store.servers import join_secrets


def main_endpoint(peers: tuple[Peer, ...]) -> Endpoint | None:
    """The endpoint of the peer that carries the Internet traffic (the one with the widest network), or None."""
    dialled = [p for p in peers if p.endpoint is not None]
    if not dialled:
        return None
    return min(dialled, key=lambda p: min((n.prefixlen for n in p.allowed_ips), default=999)).endpoint


def main_key(peers: tuple[Peer, ...]) -> str | None:
    """The public key of that peer, or None."""
    endpoint = main_endpoint(peers)
    return next((p.public_key for p in peers if p.endpoint == endpoint), None) if endpoint is not None else None


def missing(server: StoredServer, *, has_secrets: bool = True) -> tuple[str, ...]:
    """The API fields that ``server`` lacks before it can be connected."""
    lacks = {"address": not server.addresses, "private_key": not has_secrets}
    return tuple(field for field, lacking in lacks.items() if lacking)


def as_server(server: StoredServer, *, has_secrets: bool = True) -> Server:
    """The public view of ``server``."""
    endpoint = main_endpoint(server.peers)
    city, country = city_and_country(server.location)
    literal = None
    if endpoint is not None:
        try:
            literal = ipaddress.ip_address(endpoint.host)
        except ValueError:  # a DNS name
            literal = None
    return Server(
        hostname=server.name,
        provider=server.provider,
        country=country,
        city=city,
        ipv4=str(literal) if literal is not None and literal.version == 4 else None,
        ipv6=str(literal) if literal is not None and literal.version == 6 else None,
        endpoint=str(endpoint) if endpoint is not None else None,
        location=server.location or UNKNOWN,
        missing=missing(server, has_secrets=has_secrets),
        warnings=server.warnings,
        hosted_by=server.service,
    )


class StoredServers:
    """Reads the servers of one provider from the store."""

    def __init__(self, store: Store, name: str, title: str) -> None:
        self._store = store
        self._name = name
        self._title = title

    def all(self) -> tuple[Server, ...]:
        stored = self._store.servers(self._name)
        return tuple(as_server(s, has_secrets=self._store.has_secrets(s.name)) for s in stored)

    def unproven_key(self, hostname: str) -> str | None:
        """The gateway's public key at ``hostname``, as long as no server has ever answered it.

        None also where nothing says that the key is one of a VPN provider, which could suspend an account: one's own
        server may be made ready after the gateway.
        """
        server = self._store.holder(hostname)
        if server is None or not server.unproven or server.public_key is None:
            return None
        same = [s for s in self._store.servers() if s.public_key == server.public_key]
        if any(not s.unproven for s in same) or (server.service is None and len(same) == 1):
            return None
        return server.public_key

    def client_keys(self, hostname: str) -> ClientKeys | None:
        server = self._store.holder(hostname)
        if server is None or server.provider != self._name or server.public_key is None:
            return None
        return ClientKeys(server.public_key, frozenset(peer.public_key for peer in server.peers))

    def prove_key(self, public_key: str) -> None:
        self._store.prove_key(public_key)

    def tunnel(self, hostname: str) -> TunnelConfig:
        """Raises NotFoundError, ConflictError (incomplete, or its keys are lost)."""
        try:
            server = self._store.server(hostname)
        except NotFoundError:
            raise no_such_server(self._title) from None
        if server.provider != self._name:
            raise no_such_server(self._title)
        lacking = missing(server)
        if lacking:
            raise ConflictError(
                f'"{server.name}" has no {" and no ".join(lacking)} yet; remove it and add it again with one',
                field=lacking[0],
                code="incomplete",
            )
        return join_secrets(server, self._store.secrets_for(server.name))
