"""The configuration in force: that of ``gateway.toml``, or the last one that was valid."""

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
    """The last valid configuration, or an empty one."""
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
    """The configuration in force and the faults of the file. Where it is invalid, the last valid one stays in force.

    The secrets of a valid file are removed from the FAT partition once they are stored on the data partition; of the
    admin password only the hash is kept, by the web interface.
    """
    fat = Fat(paths.fat)
    old = stored_config(paths)
    try:
        path = fat.settings()
    except OSError:
        return old, []  # no readable FAT partition, so no place for a report either
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
        config = _with_password_set(with_stored_secrets(new, old), auth)
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


def _with_password_set(config: Config, auth: Auth) -> Config:
    """``config`` with its admin password passed to the web interface, after a check for missing passphrases.

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
