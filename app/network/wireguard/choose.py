"""The choice between the kernel's WireGuard and wireguard-go, made once, at start."""

from __future__ import annotations

from app.network.wireguard.kernel import KernelBackend, kernel_has_wireguard
from app.network.wireguard.types import WireGuardBackend
from app.network.wireguard.userspace import UserspaceBackend


async def choose_backend() -> WireGuardBackend:
    """The kernel's WireGuard where it has one, else wireguard-go.

    Where there is neither, the backend's ``create`` raises KernelError and says so: the gateway then stays blocked,
    with its LAN and its UI up.
    """
    if await kernel_has_wireguard():
        return KernelBackend()
    return UserspaceBackend()
