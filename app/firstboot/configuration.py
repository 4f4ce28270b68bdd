"""The configuration in force: what ``gateway.toml`` says, or what it said when it could last be used."""

from __future__ import annotations

import msgspec

from app.errors import InvalidFieldError
from app.firstboot import pppoe, radio
from app.firstboot.admin_password import Auth
from app.firstboot.fat import LIMIT, UNFINISHED, Fat, read
from app.firstboot.gateway_toml import ConfigError, decode, parse, with_stored_secrets
from app.firstboot.paths import Paths, write
from app.firstboot.redact import without_secrets
from app.firstboot.schema import Config

GUESSED = "not UTF-8: letters such as å or ü in it may be others than were meant; if so, save it as UTF-8"


def stored_config(paths: Paths) -> Config:
    """The last good configuration, or an empty one."""
    try:
        return msgspec.json.decode(paths.stored.read_bytes(), type=Config)
    except (OSError, msgspec.DecodeError):
        return Config()


def store_config(paths: Paths, config: Config) -> None:
    write(paths.stored, msgspec.json.encode(config), 0o600)


def forget_account(paths: Paths) -> None:
    """Remove the account from the stored configuration: its provider has it now."""
    store_config(paths, _replace(stored_config(paths), "vpn", account=None))


def load_config(paths: Paths, auth: Auth) -> tuple[Config, list[str]]:
    """The configuration in force, and the faults of the file. Where it cannot be used the last good one is in force.

    A file that is taken has its secrets removed from the FAT partition, once they are safe on the data partition; of
    the admin password only its hash is kept, by the web interface.
    """
    fat = Fat(paths.fat)
    old = stored_config(paths)
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
            raise ConfigError(f"larger than {LIMIT} bytes")
        text, guessed = decode(data)
        new = parse(text)
        config = _handed_over(with_stored_secrets(new, old), auth)
    except ConfigError as error:
        return old, [f"{name}: {fault}" for fault in error.faults]
    except InvalidFieldError as error:
        return old, [f"{name}: {error.message}"]
    if config != old:
        store_config(paths, config)
    if name.endswith(UNFINISHED):
        with fat.writable():
            path = fat.finish(path)
    if (bare := without_secrets(text)) != text:
        with fat.writable():
            fat.replace(path, bare)
    if guessed and not msgspec.json.encode(new).isascii():
        return config, [f"{name}: {GUESSED}"]
    return config, []


def _handed_over(config: Config, auth: Auth) -> Config:
    """``config`` with its passphrases checked to be there and its admin password handed over.

    Raises InvalidFieldError.
    """
    if config.wifi.access_point is not None and config.wifi.country is not None:
        radio.hostapd(config.wifi.country, config.wifi.access_point)
    pppoe.files(config)
    if config.system.admin_password is not None:
        auth("set-password", config.system.admin_password + "\n")
        config = _replace(config, "system", admin_password=None)
    return config


def _replace(config: Config, section: str, **values: object) -> Config:
    changed = msgspec.structs.replace(getattr(config, section), **values)
    return msgspec.structs.replace(config, **{section: changed})
