"""The judge of the servers that an exit may use: none that it never uses, nor one that another uses with its key."""

from __future__ import annotations

from msgspec import Struct

from app.errors import ConflictError, NotFoundError
from app.exit_settings import REMOVED, exit_names, exit_settings, numbered
from app.model import Server
from app.netd.intent import Intent
from app.netd.protocols import ProviderLookup, Verdict
from app.netd.server_claims import Claim, ServerClaims
from app.providers.client_keys import TellsKeys
from app.providers.never import Exclusion
from app.store import Store
from app.tunnel.states import Target

IN_USE = "server_in_use"
NEVER = "never_used"


class _Use(Struct, frozen=True):
    """A server that an exit uses or is about to use, whether or not there is a tunnel."""

    exit: str
    target: Target
    claim: Claim | None  # None: the keys are not known before the tunnel


class ServerJudge:
    """The judge asks the exits' goals, the tunnels that there are, and the settings."""

    def __init__(self, store: Store, intent: Intent, claims: ServerClaims, providers: ProviderLookup) -> None:
        self._store = store
        self._intent = intent
        self._claims = claims
        self._providers = providers
        self._tellers: dict[str, TellsKeys | None] = {}

    def of(self, exit_name: str) -> Verdict:
        """The verdict on servers for the exit, as things are now."""
        exclusion = Exclusion(exit_settings(self._store.settings, exit_name).never)
        index, uses = self._index(exit_name), self._uses_of_others(exit_name)

        def verdict(server: Server) -> ConflictError | None:
            reason = exclusion.reason(server) if exclusion else None
            if reason is not None:
                return ConflictError(f"exit {exit_name} does not use it: {reason}", field="server", code=NEVER)
            holder = self._holder(index, Target(server.provider, server.hostname), uses)
            return in_use(server.hostname, holder) if holder is not None else None

        return verdict

    def check(self, exit_name: str, server: Server) -> None:
        """Raises ConflictError (``never_used``, ``server_in_use``)."""
        error = self.of(exit_name)(server)
        if error is not None:
            raise error

    def holder(self, exit_name: str, target: Target) -> str | None:
        """Another exit that uses ``target``, or its server with the same key; REMOVED where it is about to end."""
        return self._holder(self._index(exit_name), target, self._uses_of_others(exit_name))

    def check_free(self, exit_name: str, target: Target) -> None:
        """Raises ConflictError (``server_in_use``)."""
        holder = self.holder(exit_name, target)
        if holder is not None:
            raise in_use(target.hostname, holder)

    def _index(self, exit_name: str) -> int:
        settings = self._store.settings
        return settings.exits.index(exit_name) if exit_name in exit_names(settings) else -1

    def _uses_of_others(self, exit_name: str) -> tuple[_Use, ...]:
        others = (name for name in exit_names(self._store.settings) if name != exit_name)
        targets = ((name, target) for name in others for target in self._intent.targets(name))
        return tuple(_Use(name, target, self._claim(target)) for name, target in targets)

    def _holder(self, index: int, target: Target, uses: tuple[_Use, ...]) -> str | None:
        for use in uses:
            if use.target == target:
                return use.exit
        claim = self._claim(target)
        if claim is None:
            return None
        for use in uses:  # under another name: a file may hold the key of another one, or of a provider's account
            if use.claim is not None and self._claims.exclude(use.claim, claim):
                return use.exit
        found = self._claims.holder(index, claim)
        return dict(numbered(self._store.settings)).get(found, REMOVED) if found is not None else None

    def _claim(self, target: Target) -> Claim | None:
        if target.provider not in self._tellers:  # kept: a list has ten thousand servers
            self._tellers[target.provider] = self._teller(target.provider)
        teller = self._tellers[target.provider]
        keys = teller.client_keys(target.hostname) if teller is not None else None
        return Claim(target, keys) if keys is not None else None

    def _teller(self, provider: str) -> TellsKeys | None:
        try:
            found = self._providers.get(provider)
        except NotFoundError:  # of a package that is no longer installed
            return None
        return found if isinstance(found, TellsKeys) else None


def in_use(hostname: str, holder: str) -> ConflictError:
    user = f"exit {holder}" if holder != REMOVED else "an exit that is being removed"
    return ConflictError(
        f"{user} uses {hostname} with the same key: the server would answer only the tunnel that it heard last,"
        " and both would lose packets. Choose another server",
        field="server",
        code=IN_USE,
    )
