"""The change of a tunnel to an ephemeral key with a post-quantum preshared key, after its first handshake.

The exchange itself goes through the tunnel, while its devices are still blocked or on the tunnel before it; they move
to it only after the handshake with the new keys. The keys are in the kernel alone: every tunnel makes its own exchange.
"""

from __future__ import annotations

import logging

from msgspec.structs import replace

from app import keys
from app.ephemeral_peer.errors import ExchangeError
from app.model import KeyExchange, Secret
from app.network.wireguard.types import DeviceConfig, WireGuardBackend
from app.tunnel import handshake
from app.tunnel.states import Tunnel

log = logging.getLogger(__name__)

EXCHANGE_TIMEOUT = 8.0  # seconds
MAX_EXCHANGE_TIMEOUT = 48.0  # seconds, reached by doubling; both as in Mullvad's app


class PostQuantumError(Exception):
    """A required exchange failed; the message says why and what can be done."""


class NoHandshakeError(Exception):
    """After a failed exchange the registered key did not complete a handshake either."""


class PostQuantum:
    """Changes tunnels of one exit."""

    def __init__(self, backend: WireGuardBackend) -> None:
        self._backend = backend
        self._failures = 0  # of required exchanges, in a row

    async def change(
        self, interface: str, tunnel: Tunnel, exchange: KeyExchange, device: DeviceConfig, timeout: float
    ) -> Tunnel:
        """``tunnel`` with its new keys in force, or, where they are not required, as it was and with the problem.

        ``device`` is what ``interface`` has now; ``timeout`` is for a handshake. Raises PostQuantumError,
        NoHandshakeError, KernelError.
        """
        changed = False
        stats = await self._backend.stats(interface)
        if stats is not None:  # another port would be another mapping in the router's NAT
            device = replace(device, listen_port=stats.listen_port)
        try:
            new_device = await self._exchange(interface, exchange, device, tunnel.peer_key)
            changed = True
            await self._backend.configure(interface, new_device)
            if not await handshake.wait(self._backend, interface, tunnel.peer_key, timeout):
                raise ExchangeError("the relay did not complete a handshake with the new keys")
        except ExchangeError as error:
            problem = str(error)
        else:
            self._failures = 0
            return replace(tunnel, post_quantum=True)
        log.warning("%s: no post-quantum key with %s: %s", interface, tunnel.target, problem)
        if exchange.required:
            self._failures += 1
            raise PostQuantumError(
                f"no post-quantum key, which the settings require: {problem}. Another server may give one;"
                " post_quantum = prefer connects without"
            )
        if changed:
            await self._backend.configure(interface, device)
            if not await handshake.wait(self._backend, interface, tunnel.peer_key, timeout):
                raise NoHandshakeError
        return replace(tunnel, post_quantum_problem=problem)

    async def _exchange(
        self, interface: str, exchange: KeyExchange, device: DeviceConfig, peer_key: str
    ) -> DeviceConfig:
        """The configuration with new keys, agreed on through ``interface``. Raises ExchangeError."""
        # Here, because most exits never need HTTP/2, whose tables take memory.
        from app.ephemeral_peer.exchange import exchange as exchange_keys  # noqa: PLC0415

        parent = keys.public_key(device.private_key)
        limit = self._limit(required=exchange.required)
        private, preshared = await exchange_keys(interface, exchange.address, exchange.port, parent, limit)
        return with_keys(device, peer_key, private, preshared)

    def _limit(self, *, required: bool) -> float:
        """Seconds for an exchange: longer after failures, where nothing else than waiting is left."""
        return (
            min(MAX_EXCHANGE_TIMEOUT, EXCHANGE_TIMEOUT * 2 ** min(self._failures, 8)) if required else EXCHANGE_TIMEOUT
        )


def with_keys(device: DeviceConfig, peer_key: str, private: Secret, preshared: Secret) -> DeviceConfig:
    """``device`` with an ephemeral peer's keys towards the peer ``peer_key`` (pure)."""
    peers = (replace(p, preshared_key=preshared) if p.public_key == peer_key else p for p in device.peers)
    return replace(device, private_key=private, peers=tuple(peers))
