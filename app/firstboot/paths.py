"""The paths of firstboot's files; tests use their own directories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app import atomic


@dataclass(frozen=True)
class Paths:
    fat: Path = Path("/boot/firmware")
    data: Path = Path("/data")
    run: Path = Path("/run")
    wan_network: Path = Path("/etc/systemd/network/20-wan.network")
    web: Path = Path("/var/lib/vpn-gateway-web")  # the web process's own: password, sessions, API keys

    netd: Path = Path("/var/lib/vpn-gateway")

    @property
    def stored(self) -> Path:
        """The last valid configuration, with its secrets."""
        return self.data / "setup" / "gateway.json"

    @property
    def reset_done(self) -> Path:
        """Identifies the request to remove the admin password that was carried out and is still on the card."""
        return self.data / "setup" / "reset-done"

    @property
    def wan_card(self) -> Path:
        """The file for netd with the WAN that gateway.toml sets, if it sets one (app.wan_card)."""
        return self.run / "vpn-gateway-wan" / "card"

    @property
    def authorized_keys(self) -> Path:
        return self.data / "ssh" / "authorized_keys"


def write(path: Path, data: bytes, mode: int) -> None:
    """Replace ``path`` atomically and durably; a power cut leaves the complete old or new file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    atomic.write_atomic(path, data, mode)
