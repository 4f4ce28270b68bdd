"""A key that has never had a handshake is tried at a few servers only, then the gateway waits for its user.

Such a key may simply be wrong, and an account has been suspended for masses of handshakes with a wrong key. A key that
a server has answered once is tried for ever, since then the server or the network is at fault.
"""

from __future__ import annotations

import logging

from msgspec import Struct, field

from app.errors import ConflictError, GatewayError, NotFoundError
from app.netd.protocols import ProviderLookup
from app.providers.unproven import TellsUnproven
from app.tunnel.states import Reason, Target, Tunnel

log = logging.getLogger(__name__)

MAX_SERVERS = 2
MAX_INITIATIONS = 12
MAX_KEYS = 64  # remembered; the latest last


class KeyUnprovenError(ConflictError):
    """No server has ever answered the key, so no more are asked."""

    code = Reason.KEY_UNPROVEN.value


class _Tries(Struct):
    servers: set[str] = field(default_factory=set[str])
    initiations: int = 0


class UnprovenKeys:
    """Counts the handshakes that were begun with each unproven key since the start or the last sign-in."""

    def __init__(self, providers: ProviderLookup) -> None:
        self._providers = providers
        self._tries: dict[tuple[str, str], _Tries] = {}  # by provider and public key

    def on_silence(self, tunnel: Tunnel, initiations: int) -> None:
        """Count handshakes that left and were not answered."""
        provider = tunnel.target.provider
        if initiations < 1 or self._key(tunnel.target) != tunnel.own_key:
            return
        tries = self._tries[provider, tunnel.own_key] = self._tries.pop((provider, tunnel.own_key), _Tries())
        tries.servers.add(tunnel.target.hostname)
        tries.initiations += initiations
        for oldest in list(self._tries)[:-MAX_KEYS]:
            del self._tries[oldest]

    def on_handshake(self, tunnel: Tunnel) -> None:
        """Note that the key of ``tunnel`` is good."""
        if self._key(tunnel.target) != tunnel.own_key:
            return
        provider = self._providers.get(tunnel.target.provider)
        assert isinstance(provider, TellsUnproven)
        try:
            provider.prove_key(tunnel.own_key)
        except GatewayError as error:  # the next tunnel notes it
            log.warning("%s: the key is proven, which is not kept: %s", provider.title, error.message)
        else:
            self._tries.pop((provider.name, tunnel.own_key), None)

    def problem(self, target: Target, *, vouched: bool = False) -> KeyUnprovenError | None:
        """Why no further attempt is made by itself to ``target``; None where one may be.

        ``vouched``: the provider has said that account and key are in order.
        """
        tries = self._spent(target)
        if tries is None:
            return None
        title = self._providers.get(target.provider).title
        cause = (
            f"{title} says that account and key are in order, so this network may filter UDP"
            if vouched
            else "the key may be wrong or unknown at the provider, or this network may filter UDP"
        )
        names = " and ".join(sorted(tries.servers))
        return KeyUnprovenError(
            f"the key for {title} has not been proven: no server has ever answered it, not {names} after "
            f"{tries.initiations} handshakes either. The gateway has stopped, because a provider may suspend an account"
            f" for more of them: {cause}. Check that, sign in again or import a new file if it is the key, and connect"
            " again"
        )

    def rests(self, target: Target) -> bool:
        """Whether no further attempt is made by itself to ``target``."""
        return self._spent(target) is not None

    def is_unproven(self, target: Target) -> bool:
        """Whether no server has ever answered the key for ``target``."""
        return self._key(target) is not None

    def forget(self, provider: str) -> None:
        """Begin to count anew: someone has signed in."""
        self._tries = {key: tries for key, tries in self._tries.items() if key[0] != provider}

    def _spent(self, target: Target) -> _Tries | None:
        if all(provider != target.provider for provider, _ in self._tries):
            return None
        key = self._key(target)
        tries = self._tries.get((target.provider, key)) if key is not None else None
        if tries is None or (len(tries.servers) < MAX_SERVERS and tries.initiations < MAX_INITIATIONS):
            return None
        return tries

    def _key(self, target: Target) -> str | None:
        try:
            provider = self._providers.get(target.provider)
        except NotFoundError:
            return None
        return provider.unproven_key(target.hostname) if isinstance(provider, TellsUnproven) else None
