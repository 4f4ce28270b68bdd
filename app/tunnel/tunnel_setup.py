"""The setup of a tunnel, from the server's configuration to the first handshake or the reason why none came."""

from __future__ import annotations

import asyncio

from app.addresses import Address
from app.network.plan import Slot, exit_interface
from app.network.wireguard.types import DeviceConfig, DeviceStats
from app.tunnel import handshake
from app.tunnel.context import ExitContext
from app.tunnel.goal import GoalSlot
from app.tunnel.post_quantum import NoHandshakeError, PostQuantum, PostQuantumError
from app.tunnel.prepare import prepare
from app.tunnel.resolve import LookupFailedError, literal
from app.tunnel.states import Reason, Target, Tunnel


class AttemptFailedError(Exception):
    """An attempt failed; carries the reason and message for ``Blocked``."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TunnelSetup:
    """Configures the WireGuard interfaces of exit number ``index``."""

    def __init__(self, index: int, context: ExitContext) -> None:
        self._index = index
        self._context = context
        self._post_quantum = PostQuantum(context.backend)

    def interface(self, tunnel: Tunnel) -> str:
        return exit_interface(self._index, tunnel.slot)

    async def prepare(self, target: Target, slot: Slot) -> tuple[Tunnel, DeviceConfig]:
        """The tunnel to ``target`` with its endpoints resolved. Raises AttemptFailedError, GatewayError."""
        config, location = await self._context.tunnel_config(target)
        wan = self._context.links.wan
        if wan is None or not wan.up or not wan.addresses:
            problem = self._context.links.problem
            raise AttemptFailedError(
                Reason.WAN_DOWN, problem.message if problem else handshake.explain_failure(wan, None, None)
            )
        resolved: dict[str, list[Address]] = {}
        for peer in config.peers:
            if peer.endpoint is None:
                continue
            host = peer.endpoint.host
            try:
                fixed = literal(host)
                resolved[host] = [fixed] if fixed else await self._context.lookup(host)
            except LookupFailedError as error:
                raise AttemptFailedError(Reason.ENDPOINT_UNRESOLVABLE, str(error)) from None
        return prepare(target, config, slot, wan, resolved, self._context.settings.fallback_dns, location)

    async def establish(self, tunnel: Tunnel, device: DeviceConfig, timeout: float, goal: GoalSlot) -> Tunnel | None:
        """Configure the interface and wait ``timeout`` seconds for the handshake, then for a key exchange if wanted.

        Returns the tunnel as it is then, None where the goal has changed. Raises AttemptFailedError where the handshake
        did not come, or a required key exchange failed.
        """
        interface = self.interface(tunnel)
        await self._context.backend.configure(interface, device)
        handshaking = asyncio.create_task(handshake.wait(self._context.backend, interface, tunnel.peer_key, timeout))
        arrived = await goal.wait_unless_superseded(handshaking, tunnel.target) and handshaking.result()
        if goal.target != tunnel.target:
            return None
        if not arrived:
            raise await self._handshake_failure(tunnel)
        return await self._exchange_keys(tunnel, device, timeout, goal)

    async def _exchange_keys(
        self, tunnel: Tunnel, device: DeviceConfig, timeout: float, goal: GoalSlot
    ) -> Tunnel | None:
        exchange = tunnel.key_exchange
        if exchange is None:
            return tunnel
        change = self._post_quantum.change(self.interface(tunnel), tunnel, exchange, device, timeout)
        changing = asyncio.create_task(change)
        if not await goal.wait_unless_superseded(changing, tunnel.target) or goal.target != tunnel.target:
            return None
        try:
            return changing.result()
        except PostQuantumError as error:
            raise AttemptFailedError(Reason.POST_QUANTUM_FAILED, str(error)) from None
        except NoHandshakeError:
            raise await self._handshake_failure(tunnel) from None

    async def stats(self, tunnel: Tunnel) -> DeviceStats | None:
        return await self._context.backend.stats(self.interface(tunnel))

    async def _handshake_failure(self, tunnel: Tunnel) -> AttemptFailedError:
        peer = handshake.peer_of(await self.stats(tunnel), tunnel.peer_key)
        message = handshake.explain_failure(self._context.links.wan, tunnel.endpoint, peer, self._context.clock_behind)
        return AttemptFailedError(Reason.HANDSHAKE_TIMEOUT, message)

    async def refresh_endpoints(self, tunnel: Tunnel) -> None:
        """Set every peer's endpoint again, so that WireGuard drops the old source address and picks the new one."""
        wan = self._context.links.wan
        if wan is None or not wan.up or not wan.addresses:
            return
        stats = await self.stats(tunnel)
        for peer in stats.peers if stats else ():
            if peer.endpoint is not None:
                await self._context.backend.set_endpoint(
                    self.interface(tunnel), peer.public_key, peer.endpoint[0], peer.endpoint[1]
                )
