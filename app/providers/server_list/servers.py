"""The servers of one provider: loaded from the cache, refreshed from the API, and searched."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from ipaddress import ip_address

from msgspec.structs import replace

from app.errors import ConflictError
from app.model import Peer, ProviderSettings, Server
from app.providers.base import Environment, ListStatus
from app.providers.client import ProviderClient
from app.providers.errors import ProviderDownError
from app.providers.server_list.address_policy import AddressPolicy, BadEntryError
from app.providers.server_list.cache import ListCache
from app.providers.server_list.relay import DEFAULT_PORT, Relay, RelayList, as_server
from app.providers.server_list.source import ListSource, fetch

log = logging.getLogger(__name__)

MAX_AGE = (
    6 * 3600.0
)  # seconds after which a list is fetched again, with its ETag, so that an unchanged list costs little


class ServerList:
    """Holds the server list, which is read from disk when it is first used.

    Async callers await :meth:`load` first; otherwise the first access reads the file and blocks.
    """

    def __init__(
        self, environment: Environment, name: str, title: str, source: ListSource, client: ProviderClient
    ) -> None:
        self._env = environment
        self._name = name
        self._title = title
        self._source = source
        self._client = client
        self._cache = ListCache(environment.lists, environment.shipped, name)
        self._loaded = False
        self._loading = asyncio.Lock()
        self._list: RelayList | None = None
        self._origin = "none"
        self._relays: dict[str, Relay] = {}
        self._by_key: dict[str, Relay] | None = None
        self._public: tuple[bool, tuple[Server, ...]] | None = None
        self._known: frozenset[str] | None = None  # keys, addresses and names of all servers
        self._sharing: dict[tuple[str, str], str | None] | None = None  # by key and host, where several have the key

    # --- Look-ups ----------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the list from disk, unless that has been done."""
        async with self._loading:
            if not self._loaded:
                self._set_loaded(*await self._cache.load())

    @property
    def current(self) -> RelayList | None:
        self._ensure_loaded()
        return self._list

    @property
    def general(self) -> dict[str, str]:
        """The values of the list that belong to no single server."""
        return self.current.general if self.current is not None else {}

    def get(self, hostname: str) -> Relay | None:
        self._ensure_loaded()
        return self._relays.get(hostname)

    def check_addresses(self, relay: Relay) -> Relay:
        """``relay``, with its addresses checked again, because the LAN may have changed since the list was stored.

        Raises ConflictError (``server``).
        """
        try:
            for text, version in ((relay.ipv4, 4), (relay.ipv6, 6)):
                if text is not None:
                    self._policy().address(text, version, "its address")
        except BadEntryError as error:
            raise ConflictError(f"{relay.hostname} cannot be used: {error}", field="server") from None
        return relay

    def multihop_entry(self, hostname: str) -> Relay:
        """The entry server of a multihop. Raises ConflictError (``multihop_entry``)."""
        relay = self.get(hostname)
        if relay is None:
            raise ConflictError(f"{self._title}: there is no server {hostname!r} any more", field="multihop_entry")
        return self.check_addresses(relay)

    def servers(self, *, signed_in: bool) -> tuple[Server, ...]:
        """The public view of all servers."""
        self._ensure_loaded()
        if self._public is None or self._public[0] != signed_in:
            missing = () if signed_in else ("account",)
            self._public = (signed_in, tuple(as_server(r, self._name, missing=missing) for r in self._relays.values()))
        return self._public[1]

    def by_key(self, public_key: str) -> Server | None:
        """The server with this key; None where several share it."""
        self._ensure_loaded()
        if self._by_key is None:
            uses = Counter(relay.public_key for relay in self._relays.values())
            self._by_key = {k: r for r in self._relays.values() if (k := r.public_key) and uses[k] == 1}
        relay = self._by_key.get(public_key)
        return as_server(relay, self._name) if relay is not None else None

    def holds(self, peer: Peer) -> bool:
        """Whether ``peer`` is one of these servers, by its public key or by the address or name that is dialled."""
        self._ensure_loaded()
        if self._known is None:
            relays = self._relays.values()
            named = (name for r in relays for name in (r.hostname.lower(), r.endpoint_name, r.ipv4, r.ipv6))
            self._known = frozenset(filter(None, (*(r.public_key for r in relays), *named)))
        host = peer.endpoint.host.lower() if peer.endpoint is not None else ""
        return peer.public_key in self._known or host in self._known

    def among_sharing(self, peer: Peer) -> str | None:
        """The host name of the one that ``peer`` is, among servers with one key; None where that is not certain."""
        self._ensure_loaded()
        if self._sharing is None:
            uses = Counter(relay.public_key for relay in self._relays.values())
            self._sharing = {}
            for relay in self._relays.values():
                hosts = {relay.ipv4, relay.ipv6, relay.endpoint_name} - {None} if uses[relay.public_key] > 1 else ()
                for host in hosts:
                    at = relay.public_key, _spelt(host or "")
                    self._sharing[at] = None if at in self._sharing else relay.hostname
        return self._sharing.get((peer.public_key, _spelt(peer.endpoint.host))) if peer.endpoint is not None else None

    def port_ranges(self) -> tuple[tuple[int, int], ...]:
        return (self.current.port_ranges if self.current else ()) or ((DEFAULT_PORT, DEFAULT_PORT),)

    def port(self, settings: ProviderSettings) -> int:
        """The configured port if the list still has it, otherwise the default port or the first in the list."""
        ranges = self.port_ranges()
        for port in (settings.port, DEFAULT_PORT):
            if port is not None and any(low <= port <= high for low, high in ranges):
                return port
        return ranges[0][0]

    # --- Refreshing --------------------------------------------------------------------------------------------------

    def fresh(self, now: float) -> bool:
        """Whether the list is recent; one from the future, fetched with a wrong clock, is not."""
        current = self.current
        return current is not None and self._origin != "shipped" and 0 <= now - current.fetched < MAX_AGE

    def status(self) -> ListStatus:
        current = self.current
        if current is None:
            return ListStatus("none")
        return ListStatus(self._origin, len(current.relays), current.fetched or None, skipped=current.skipped)

    async def refresh(self) -> ListStatus:
        """Fetch the list. Raises the client's errors and BadAnswerError, and then the last valid list stays."""
        await self.load()
        old = self._list if self._origin != "shipped" else None
        now = self._env.now()
        fetched = await fetch(self._source, self._client, old, now)
        if fetched is None and old is not None:
            new = replace(old, fetched=now)
        elif fetched is None:
            raise ProviderDownError(f"{self._title} answered that the list is unchanged, but there is none here")
        else:
            new = await asyncio.to_thread(self._source.parse, fetched, self._policy())
            new = replace(new, etag=fetched.etag, fetched=now)
        try:
            await self._cache.save(new)
        except OSError as error:  # the list is in memory and works until the next start
            log.warning("%s: the server list cannot be stored: %s", self._title, error.strerror)
        changed = old is None or new.relays != old.relays
        self._set_list(new, "provider")
        return replace(self.status(), changed=changed)

    def _policy(self) -> AddressPolicy:
        return AddressPolicy(self._env.own_networks(), self._env.allowed_networks)

    def _ensure_loaded(self) -> None:
        if not self._loaded:
            self._set_loaded(*self._cache.load_blocking())

    def _set_loaded(self, found: RelayList | None, origin: str) -> None:
        """Set the list from disk, unless another caller has set it meanwhile."""
        if not self._loaded:
            self._loaded = True
            if found is not None:
                self._set_list(found, origin)

    def _set_list(self, relays: RelayList, origin: str) -> None:
        self._list, self._origin = relays, origin
        self._relays = {relay.hostname: relay for relay in relays.relays}
        self._by_key = self._public = self._known = self._sharing = None


def _spelt(host: str) -> str:
    """``host`` as it is compared: an address may be written in several ways, and a name in capitals."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")
