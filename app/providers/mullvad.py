"""``mullvad``: listed; signing in is not in this version."""

from __future__ import annotations

from app.errors import NotImplementedYetError
from app.model import Server, TunnelConfig
from app.providers.base import Capabilities


class MullvadProvider:
    name = "mullvad"
    title = "Mullvad"
    capabilities = Capabilities(sign_in=True)

    async def servers(self) -> tuple[Server, ...]:
        return ()

    async def tunnel(self, hostname: str) -> TunnelConfig:  # noqa: ARG002 - the interface has it
        raise NotImplementedYetError(
            "Mullvad sign-in is not available in this version; import a .conf file from your Mullvad account page",
            field="server",
        )
