"""Before the network: names, SSH, radio, roles of the ports. Works from ``gateway.toml``, or from what it said last."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app import atomic
from firstboot import pppoe, radio, render
from firstboot.fat import LIMIT, REPORT, UNFINISHED, Fat, read
from firstboot.schema import Config, SchemaError, decode, merged, parse
from firstboot.secrets import without_secrets

RESET = ("reset-password", "reset-password.txt")  # Windows likes to add the ending, and not to show it
GUESSED = "not UTF-8: letters such as å or ü in it may be others than were meant; if so, save it as UTF-8"

# Seconds; it takes a fifth of one on a desktop, and the whole unit has 120. Whoever asks for a password must not stay
# without one because a card is slow.
AUTH_TIMEOUT = 90

Auth = Callable[[str, str], None]  # action, what it reads; raises SchemaError


@dataclass(frozen=True)
class Paths:
    fat: Path = Path("/boot/firmware")
    data: Path = Path("/data")
    run: Path = Path("/run")
    wan_network: Path = Path("/etc/systemd/network/20-wan.network")
    web: Path = Path("/var/lib/vpn-gateway-web")  # the web process's own: password, sessions, API keys

    @property
    def stored(self) -> Path:
        """The last good configuration, secrets included."""
        return self.data / "setup" / "gateway.json"


def load(paths: Paths) -> Config:
    """The last good configuration, or an empty one."""
    try:
        return msgspec.json.decode(paths.stored.read_bytes(), type=Config)
    except (OSError, msgspec.DecodeError):
        return Config()


def auth(web: Path) -> Auth:
    """The web interface's own command, at its state in ``web``."""

    def run(action: str, text: str) -> None:
        command = [sys.executable, "-sP", "-m", "app", "auth", action, "--state-dir", str(web)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=AUTH_TIMEOUT)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["it failed"]
            raise SchemaError(f"system.admin_password: {lines[-1].removeprefix('auth: ')}")

    return run


def reset_password(paths: Paths, auth: Auth) -> list[str]:
    """Forget the admin password where somebody with the card in hand asks for it; returns the faults."""
    fat = Fat(paths.fat)
    try:
        asked = [path for name in RESET if (path := fat.find(name)) is not None]
        if not asked:
            return []
        auth("reset", "")
        with fat.writable():
            for path in asked:
                path.unlink()
    except SchemaError as error:
        return [f"{RESET[0]}: {fault.removeprefix('system.admin_password: ')}" for fault in error.faults]
    except (OSError, subprocess.SubprocessError) as error:
        return [f"{RESET[0]}: {type(error).__name__}"]
    print("the admin password was removed, as asked for on the boot partition")
    return []


def take(paths: Paths, auth: Auth) -> tuple[Config, list[str]]:
    """The configuration in force, and the faults of the file. Where it cannot be used the last good one is in force.

    A file that is taken has its secrets removed from the FAT partition, once they are safe on the data partition; of
    the admin password only its hash is kept, by the web interface.
    """
    fat = Fat(paths.fat)
    old = load(paths)
    try:
        path = fat.settings()
    except OSError:
        return old, []  # no FAT partition to be read; nothing to report to either
    if path is None:
        return old, []
    name = path.name.lower()
    try:
        data = read(path)
    except OSError as error:
        return old, [f"{name}: it cannot be read: {error.strerror}"]
    try:
        if data is None:
            raise SchemaError(f"larger than {LIMIT} bytes")
        text, guessed = decode(data)
        new = parse(text)
        config = merged(new, old)
        if config.wifi.access_point is not None and config.wifi.country is not None:
            radio.hostapd(config.wifi.country, config.wifi.access_point)
        pppoe.files(config)
        if config.system.admin_password is not None:
            auth("set-password", config.system.admin_password + "\n")
            config = _replace(config, "system", admin_password=None)
    except SchemaError as error:
        return old, [f"{name}: {fault}" for fault in error.faults]
    except subprocess.SubprocessError as error:  # its text would hold what it was given
        return old, [f"{name}: system.admin_password: {type(error).__name__}"]
    if config != old:
        store(paths, config)
    if name.endswith(UNFINISHED):
        with fat.writable():
            path = fat.finish(path)
    if (bare := without_secrets(text)) != text:
        with fat.writable():
            fat.replace(path, bare)
    if guessed and not msgspec.json.encode(new).isascii():
        return config, [f"{name}: {GUESSED}"]
    return config, []


def store(paths: Paths, config: Config) -> None:
    write(paths.stored, msgspec.json.encode(config), 0o600)


def _replace(config: Config, section: str, **values: object) -> Config:
    changed = msgspec.structs.replace(getattr(config, section), **values)
    return msgspec.structs.replace(config, **{section: changed})


def signed_in(paths: Paths) -> None:
    """The account was given to its provider: forget what is not needed any more."""
    store(paths, _replace(load(paths), "vpn", account=None))


def report(paths: Paths, lines: list[str]) -> None:
    """``lines`` as the report on the FAT partition, or no report where there is nothing to say. Writes only changes."""
    path = paths.fat / REPORT
    text = "\r\n".join(("VPN Gateway could not use everything here as it found it:", "", *lines, ""))
    try:
        if not lines:
            if path.exists():
                with Fat(paths.fat).writable():
                    path.unlink()
        elif not path.exists() or path.read_bytes() != text.encode():
            with Fat(paths.fat).writable():
                path.write_bytes(text.encode())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the report could not be written: {error}")


def apply(paths: Paths, config: Config) -> None:
    """Make it so. Everything that is written lies under ``run`` or ``data``: the root is read-only."""
    socket.sethostname(config.system.hostname)

    network = paths.run / "systemd" / "network"
    network.mkdir(parents=True, exist_ok=True)
    for name, text in render.networkd(config, paths.wan_network.read_text()).items():
        (network / name).write_text(text)

    # Not a secret, and netd, which is not root, reads it: in a folder that it may enter.
    time_servers = paths.run / "vpn-gateway-time" / "servers"
    time_servers.parent.mkdir(mode=0o755, exist_ok=True)
    write(time_servers, render.time_servers(config).encode(), 0o644)
    _wan_card(paths, config)
    _wifi(paths, config)
    _pppoe(paths, config)

    keys = _authorized_keys(paths)
    if config.system.ssh_key is None:
        keys.unlink(missing_ok=True)
        return
    write(keys, config.system.ssh_key.strip().encode() + b"\n", 0o600)
    host_key = paths.data / "ssh" / "ssh_host_ed25519_key"
    if not host_key.exists():
        new = host_key.with_suffix(".new")
        new.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(new)], check=True)
        new.with_suffix(".new.pub").rename(host_key.with_suffix(".pub"))
        new.rename(host_key)  # last: it is what says that there is one
        atomic.sync_directory(host_key.parent)


def _wan_card(paths: Paths, config: Config) -> None:
    path = wan_card(paths)
    card = render.card(config)
    if card is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o755, exist_ok=True)  # netd, which is not root, reads it
    write(path, msgspec.json.encode(card), 0o644)


def wan_card(paths: Paths) -> Path:
    """The file that is there where gateway.toml says which port is the WAN."""
    return paths.run / "vpn-gateway-wan" / "card"


def _wifi(paths: Paths, config: Config) -> None:
    if config.wifi.country is None:
        return
    subprocess.run(["iw", "reg", "set", config.wifi.country], check=False)
    wanted = radio.files(config)
    for name, text in wanted.items():
        write(paths.run / name, text.encode(), 0o600)
    if wanted:
        _start("vpn-gateway-wifi-wan.service" if radio.WIFI_WAN in wanted else "vpn-gateway-ap.service")


def _pppoe(paths: Paths, config: Config) -> None:
    wanted = pppoe.files(config)
    for name, text in wanted.items():
        write(paths.run / name, text.encode(), 0o600)
    if wanted:
        _start("vpn-gateway-pppoe.service")


def _start(unit: str) -> None:
    """Started when its turn comes: to wait for it here would be to wait for ourselves."""
    subprocess.run(["systemctl", "start", "--no-block", unit], check=True)


def write(path: Path, data: bytes, mode: int) -> None:
    """Atomically and for good: the whole new file, or the whole old one, whatever happens to the power."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    atomic.write_atomic(path, data, mode)


def tidy(paths: Paths) -> None:
    """Remove what writes that were cut off have left on the data partition; some of it was secret."""
    for path in (paths.stored, _authorized_keys(paths)):
        with contextlib.suppress(OSError):  # tidiness must keep nobody from starting
            atomic.remove_leftovers(path.parent)


def _authorized_keys(paths: Paths) -> Path:
    return paths.data / "ssh" / "authorized_keys"
