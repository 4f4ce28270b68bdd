"""A tunnel of an exit from a server's configuration to its first handshake, and the reason where there is none."""

from __future__ import annotations

from app.addresses import Address
from app.network.plan import Slot, exit_interface
from app.network.wireguard.types import DeviceConfig, DeviceStats
from app.tunnel import handshake
from app.tunnel.context import ExitContext
from app.tunnel.prepare import prepare
from app.tunnel.resolve import LookupFailedError, literal
from app.tunnel.states import Reason, Target, Tunnel


class AttemptFailedError(Exception):
    """An attempt cannot go on; carries what ``Blocked`` will say."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TunnelSetup:
    """The WireGuard interfaces of exit number ``index``."""

    def __init__(self, index: int, context: ExitContext) -> None:
        self._index = index
        self._context = context

    def interface(self, tunnel: Tunnel) -> str:
        return exit_interface(self._index, tunnel.slot)

    async def prepare(self, target: Target, slot: Slot) -> tuple[Tunnel, DeviceConfig]:
        """The tunnel to ``target``, its endpoints looked up. Raises AttemptFailedError, GatewayError."""
        config, location = await self._context.tunnel_config(target)
        wan = self._context.links.wan
        if wan is None or not wan.up or not wan.addresses:
            problem = self._context.links.problem
            raise AttemptFailedError(Reason.WAN_DOWN, problem.message if problem else handshake.cause(wan, None, None))
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

    async def configure(self, tunnel: Tunnel, device: DeviceConfig) -> None:
        await self._context.backend.configure(self.interface(tunnel), device)

    async def stats(self, tunnel: Tunnel) -> DeviceStats | None:
        return await self._context.backend.stats(self.interface(tunnel))

    async def handshake(self, tunnel: Tunnel, timeout: float) -> bool:
        """Whether the handshake came within ``timeout`` seconds."""
        return await handshake.wait(self._context.backend, self.interface(tunnel), tunnel.peer_key, timeout)

    async def no_handshake(self, tunnel: Tunnel) -> AttemptFailedError:
        """The failure of a tunnel whose handshake did not come."""
        peer = handshake.peer_of(await self.stats(tunnel), tunnel.peer_key)
        cause = handshake.cause(self._context.links.wan, tunnel.endpoint, peer, self._context.clock_behind)
        return AttemptFailedError(Reason.HANDSHAKE_TIMEOUT, cause)

    async def dial_again(self, tunnel: Tunnel) -> None:
        """Point every peer at its endpoint again: WireGuard forgets the old source address and takes the new one."""
        wan = self._context.links.wan
        if wan is None or not wan.up or not wan.addresses:
            return
        stats = await self.stats(tunnel)
        for peer in stats.peers if stats else ():
            if peer.endpoint is not None:
                await self._context.backend.set_endpoint(
                    self.interface(tunnel), peer.public_key, peer.endpoint[0], peer.endpoint[1]
                )
