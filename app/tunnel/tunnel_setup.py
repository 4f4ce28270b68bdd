"""The setup of a tunnel, from the server's configuration to the first handshake or the reason why none came."""

from __future__ import annotations

import asyncio

from app.addresses import Address
from app.exit_settings import exit_settings
from app.network.plan import Slot, exit_interface, exit_mark
from app.network.wireguard.types import DeviceConfig, DeviceStats
from app.tunnel import handshake
from app.tunnel.context import ExitContext
from app.tunnel.dialable import OwnAddresses, reason_against
from app.tunnel.goal import GoalSlot
from app.tunnel.mtu import choose_mtu, with_mtu
from app.tunnel.path_mtu import PathMtu
from app.tunnel.post_quantum import NoHandshakeError, PostQuantum, PostQuantumError
from app.tunnel.prepare import prepare
from app.tunnel.resolve import LookupFailedError, literal
from app.tunnel.states import Connected, Reason, State, Target, Tunnel

MAX_SILENT = 256  # addresses remembered


class AttemptFailedError(Exception):
    """An attempt failed; carries the reason and message for ``Blocked``."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TunnelSetup:
    """Configures the WireGuard interfaces of exit ``name``, number ``index``."""

    def __init__(self, name: str, index: int, context: ExitContext) -> None:
        self.name = name
        self._index = index
        self._context = context
        self.path_mtu = PathMtu(str(index), self.mark, lambda: context.links.wan)
        self._post_quantum = PostQuantum(context.backend)
        self._silent: dict[Address, int] = {}  # handshakes that did not come, by address; the latest last

    @property
    def mark(self) -> int:
        """The mark of packets that the exit's routes lead into the tunnel."""
        return exit_mark(self._index)

    def interface(self, tunnel: Tunnel) -> str:
        return exit_interface(self._index, tunnel.slot)

    async def prepare(self, target: Target, slot: Slot) -> tuple[Tunnel, DeviceConfig]:
        """The tunnel to ``target`` with its endpoints resolved. Raises AttemptFailedError, GatewayError."""
        config, location = await self._context.tunnel_config(target)
        wan = self._context.links.wan
        if wan is None or not wan.usable:
            problem = self._context.links.problem
            raise AttemptFailedError(
                Reason.WAN_DOWN, problem.message if problem else handshake.explain_failure(wan, None, None)
            )
        if (problem := self._context.links.problem) is not None:
            raise AttemptFailedError(Reason.NETWORKS_OVERLAP, problem.message)
        resolved = {p.endpoint.host: await self._addresses(p.endpoint.host) for p in config.peers if p.endpoint}
        fallback_dns = self._context.settings.fallback_dns
        own = self._own_addresses()
        tunnel, device = prepare(
            target, config, slot, wan, resolved, fallback_dns, location, own=own, silent=self._silent
        )
        if (clash := self._context.clash(self.name, tunnel.plan)) is not None:
            raise AttemptFailedError(Reason.NETWORKS_OVERLAP, clash)
        peers = (peer.public_key for peer in device.peers)
        if (used := self._context.claim(self.name, tunnel, peers)) is not None:
            raise AttemptFailedError(Reason.SERVER_IN_USE, used)
        return self.with_present_mtu(tunnel), device

    def follow(self, state: State) -> None:
        """Search the path's MTU once for each connection."""
        self.path_mtu.on_state(state, self.interface(state.tunnel) if isinstance(state, Connected) else None)

    def with_present_mtu(self, tunnel: Tunnel) -> Tunnel:
        """``tunnel`` with the MTU of the present settings and WAN."""
        settings, wan = self._context.settings, self._context.links.wan
        if wan is None:
            return tunnel
        own = exit_settings(settings, self.name).mtu
        by_provider = settings.mtu.providers.get(tunnel.target.provider)
        found = self.path_mtu.found(tunnel)
        mtu, origin = choose_mtu(own, by_provider, given=tunnel.given_mtu, wan_mtu=wan.mtu, found=found)
        return with_mtu(tunnel, mtu, origin)

    def _own_addresses(self) -> OwnAddresses:
        return OwnAddresses.of(self._context.links, self._context.settings.lan)

    async def _addresses(self, host: str) -> list[Address]:
        """The addresses of an endpoint's ``host``. Raises AttemptFailedError."""
        fixed = literal(host)
        try:
            if fixed is None:
                return await self._context.lookup(host)
        except LookupFailedError as error:
            raise AttemptFailedError(Reason.ENDPOINT_UNRESOLVABLE, str(error)) from None
        reason = reason_against(fixed, self._own_addresses())
        if reason is not None:
            message = f"the server's address {fixed} cannot be dialled: {reason}"
            raise AttemptFailedError(Reason.ENDPOINT_UNRESOLVABLE, message)
        return [fixed]

    async def establish(self, tunnel: Tunnel, device: DeviceConfig, timeout: float, goal: GoalSlot) -> Tunnel | None:
        """Configure the interface and wait ``timeout`` seconds for the handshake, then for a key exchange if wanted.

        Returns the tunnel as it is then, None where the goal has changed. Raises AttemptFailedError where the handshake
        did not come, or a required key exchange failed.
        """
        interface = self.interface(tunnel)
        await self._context.backend.configure(interface, device)
        handshaking = asyncio.create_task(handshake.wait(self._context.backend, interface, tunnel.peer_key, timeout))
        arrived = await goal.wait_unless_superseded(handshaking, tunnel.target) and handshaking.result()
        if goal.target == tunnel.target and arrived:
            self._silent.pop(tunnel.endpoint.address, None)
            return await self._exchange_keys(tunnel, device, timeout, goal)
        stats = await self.stats(tunnel)
        self._context.unanswered(tunnel, handshake.initiations(handshake.peer_of(stats, tunnel.peer_key)))
        if goal.target != tunnel.target:
            return None
        raise self._handshake_failure(tunnel, stats)

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
            raise self._handshake_failure(tunnel, await self.stats(tunnel)) from None

    async def stats(self, tunnel: Tunnel) -> DeviceStats | None:
        return await self._context.backend.stats(self.interface(tunnel))

    def _handshake_failure(self, tunnel: Tunnel, stats: DeviceStats | None) -> AttemptFailedError:
        self._count_silent(tunnel, stats)
        peer = handshake.peer_of(stats, tunnel.peer_key)
        message = handshake.explain_failure(self._context.links.wan, tunnel.endpoint, peer, self._context.clock_behind)
        return AttemptFailedError(Reason.HANDSHAKE_TIMEOUT, message)

    def _count_silent(self, tunnel: Tunnel, stats: DeviceStats | None) -> None:
        """Count the addresses of ``tunnel`` that gave no handshake, so that the next attempt dials others first."""
        waiting = (p.endpoint[0] for p in (stats.peers if stats else ()) if p.endpoint and p.latest_handshake is None)
        for address in {tunnel.endpoint.address, *waiting}:
            self._silent[address] = self._silent.pop(address, 0) + 1
        for oldest in list(self._silent)[:-MAX_SILENT]:
            del self._silent[oldest]

    async def refresh_endpoints(self, tunnel: Tunnel) -> None:
        """Set every peer's endpoint again, so that WireGuard drops the old source address and picks the new one."""
        wan = self._context.links.wan
        if wan is None or not wan.usable:
            return
        stats = await self.stats(tunnel)
        for peer in stats.peers if stats else ():
            if peer.endpoint is not None:
                await self._context.backend.set_endpoint(
                    self.interface(tunnel), peer.public_key, peer.endpoint[0], peer.endpoint[1]
                )
