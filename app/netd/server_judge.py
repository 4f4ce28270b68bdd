"""The judge of the servers that an exit may use: none that it never uses, nor one that another uses with its key."""

from __future__ import annotations

from app.errors import ConflictError
from app.exit_settings import exit_names, exit_settings
from app.model import Server, StoredServer
from app.netd.intent import Intent
from app.netd.protocols import Verdict
from app.netd.server_claims import ServerClaims
from app.providers.never import Exclusion
from app.store import Store
from app.tunnel.states import Target

IN_USE = "server_in_use"
NEVER = "never_used"


class ServerJudge:
    """The judge asks the exits' goals, the tunnels that there are, and the settings."""

    def __init__(self, store: Store, intent: Intent, claims: ServerClaims) -> None:
        self._store = store
        self._intent = intent
        self._claims = claims

    def of(self, exit_name: str) -> Verdict:
        """The verdict on servers for the exit, as things are now."""
        settings = self._store.settings
        exclusion = Exclusion(exit_settings(settings, exit_name).never)
        used = self._used_by_others(exit_name)
        index = settings.exits.index(exit_name) if exit_name in exit_names(settings) else -1

        def verdict(server: Server) -> ConflictError | None:
            reason = exclusion.reason(server) if exclusion else None
            if reason is not None:
                return ConflictError(f"exit {exit_name} does not use it: {reason}", field="server", code=NEVER)
            target = Target(server.provider, server.hostname)
            holder = used.get(target) or self._holder(index, target, used)
            return in_use(server.hostname, holder) if holder is not None else None

        return verdict

    def holder(self, exit_name: str, target: Target) -> str | None:
        """Another exit that uses ``target``, or its server with the same key."""
        settings = self._store.settings
        used = self._used_by_others(exit_name)
        index = settings.exits.index(exit_name) if exit_name in exit_names(settings) else -1
        return used.get(target) or self._holder(index, target, used)

    def check(self, exit_name: str, target: Target) -> None:
        """Raises ConflictError (``server_in_use``)."""
        holder = self.holder(exit_name, target)
        if holder is not None:
            raise in_use(target.hostname, holder)

    def _used_by_others(self, exit_name: str) -> dict[Target, str]:
        others = (name for name in exit_names(self._store.settings) if name != exit_name)
        return {target: name for name in others for target in self._intent.targets(name)}

    def _holder(self, index: int, target: Target, used: dict[Target, str]) -> str | None:
        """The user of the server of ``target`` under another name: a file may hold the key of another one."""
        stored = self._stored(target)
        if stored is None or stored.public_key is None:
            return None
        peers = _peer_keys(stored)
        for other, name in used.items():
            twin = self._stored(other)
            if twin is not None and twin.public_key == stored.public_key and not peers.isdisjoint(_peer_keys(twin)):
                return name
        found = self._claims.holder(index, stored.public_key, peers)
        return self._store.settings.exits[found] if found is not None else None

    def _stored(self, target: Target) -> StoredServer | None:
        found = self._store.holder(target.hostname)
        return found if found is not None and found.provider == target.provider else None


def in_use(hostname: str, holder: str) -> ConflictError:
    return ConflictError(
        f"exit {holder} uses {hostname} with the same key: the server would answer only the tunnel that it heard last,"
        " and both would lose packets. Choose another server",
        field="server",
        code=IN_USE,
    )


def _peer_keys(server: StoredServer) -> frozenset[str]:
    return frozenset(peer.public_key for peer in server.peers)
