"""The support file on the FAT partition, for a gateway that no network reaches: an empty file requests it.

netd creates its text if it answers. Otherwise this module does, as root and with what can be read then.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import aiofiles.os

from app.firstboot.fat import Fat
from app.firstboot.paths import Paths
from app.firstboot.programs import ProgramError
from app.support import machine, programs
from app.support.redact import Redactor
from app.support.report import Section, assemble, followed, unreadable

RESULT = "support.txt"
REQUESTS = ("support", RESULT)  # Windows may add the ending and hide it
BLANK = b"\xef\xbb\xbf\xff\xfe\0 \r\n\t"  # bytes that editors and shells put into an empty file
SETTLE_TIME = 120.0  # seconds after power-on: by then the ports have their addresses, or have failed to get them
NETD_TIMEOUT = 30.0  # seconds; the user waits to take the card out again
ATTEMPTS, RETRY_DELAY = 3, 5.0  # of writing, since another process may use the partition; seconds

_SECRET_KEYS = ("pass", "secret", "account", "user", "token", "psk", "pin", "key")
_NAME_KEYS = {"ssid": "wifi-name", "hostname": "gateway-name"}
_DEFAULT_NAMES = frozenset({"vpn-gateway"})  # not worth hiding


def requests(fat: Fat) -> list[Path]:
    """The files that request a support file. The support file of an earlier start has text and is not a request."""
    if not fat.directory.is_dir():
        return []
    found = {name: fat.find(name) for name in REQUESTS}
    return [path for name, path in found.items() if path is not None and (name != RESULT or _blank(path))]


def _blank(path: Path) -> bool:
    return path.stat().st_size <= 64 and not path.read_bytes().strip(BLANK)


async def answer_request(paths: Paths, state: Path, faults: list[str], *, settled: float = SETTLE_TIME) -> bool:
    """Write a support file if one is requested; return whether it was. ``faults`` are those of the start."""
    fat = Fat(paths.fat)
    if not await _requests(fat):
        return False
    # Counted from power-on: before that there is little to report, and docs/image.md says how long to wait.
    await asyncio.sleep(max(0.0, settled - time.clock_gettime(time.CLOCK_BOOTTIME)))
    text = await support_text(paths, state, faults)
    for left in reversed(range(ATTEMPTS)):
        try:
            await _write_support_file(fat, text)
        except (OSError, ProgramError):
            if not left:
                raise
            await asyncio.sleep(RETRY_DELAY)
        else:
            break
    print("a support file was written to the boot partition, as requested there")
    return True


def write_support_file(fat: Fat, text: str) -> None:
    """Write the file atomically and remove the requests. After a power cut it may be written again."""
    with fat.writable():
        new = fat.directory / "support.new"
        with new.open("wb") as file:
            file.write(text.replace("\n", "\r\n").encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(fat.find(RESULT) or fat.directory / RESULT)
        for request in requests(fat):
            request.unlink()


_requests = aiofiles.os.wrap(requests)
_write_support_file = aiofiles.os.wrap(write_support_file)


async def support_text(paths: Paths, state: Path, faults: list[str]) -> str:
    """The text from netd, or one made without it; secrets that only the set-up knows are struck out as well."""
    redactor = await _redactor(paths, state)
    set_up = Section("Set-up from the card", "\n".join(faults) or "nothing to complain of")
    try:
        from app.errors import GatewayError  # noqa: PLC0415 - an import error must not prevent the support file

        try:
            text = await _from_netd()
        except (GatewayError, OSError) as error:
            reason = f"netd does not answer: {error}"
        else:
            return await asyncio.to_thread(followed, text, set_up, redactor)
    except Exception as error:
        reason = f"netd cannot be asked: {type(error).__name__}"
    sections = [
        Section("State", unreadable(reason)),
        Section("Settings", await _settings(state)),
        *await asyncio.to_thread(machine.sections),
        *await programs.sections(),
        set_up,
    ]
    return await asyncio.to_thread(assemble, sections, redactor)


async def _from_netd() -> str:
    """The text of netd's support file. Raises GatewayError, OSError."""
    from app.firstboot.after_netd import connected  # noqa: PLC0415
    from app.protocol.commands import MakeSupportFile  # noqa: PLC0415 - see above

    return await (await connected(NETD_TIMEOUT)).submit(MakeSupportFile())


@aiofiles.os.wrap
def _settings(state: Path) -> str:
    """The stored settings of netd, with the number of devices instead of the devices."""
    try:
        document = json.loads((state / "settings.json").read_bytes())
        document["settings"]["devices"] = f"{len(document['settings'].get('devices', ()))} with a policy"
    except Exception as error:
        return unreadable(error)
    return json.dumps(document, indent=1, ensure_ascii=False)


# --- values to strike out --------------------------------------------------------------------------------------------


@aiofiles.os.wrap
def _redactor(paths: Paths, state: Path) -> Redactor:
    secrets, names = card_secrets(paths.stored)
    try:
        from app.store.sensitive_values import stored_names, stored_secrets  # noqa: PLC0415 - see above
    except Exception as error:  # values that look like secrets are struck out anyway
        print(f"netd's secrets cannot be read: {type(error).__name__}")
    else:
        secrets |= stored_secrets(state)
        for kind, found in stored_names(state).items():
            names[kind] = names.get(kind, set()) | found
    return Redactor(secrets, names)


def card_secrets(stored: Path) -> tuple[set[str], dict[str, set[str]]]:
    """The secrets, and the names by kind, in the configuration stored on the data partition."""
    secrets: set[str] = set()
    names: dict[str, set[str]] = {}
    try:
        data = stored.read_bytes()
    except OSError:
        return secrets, names
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError):  # damaged: everything that could be a passphrase or an account
        return {text for text in data.decode(errors="replace").split('"') if len(text) >= 8}, names
    for keys, text in _texts(document):
        kind = next((kind for key, kind in _NAME_KEYS.items() if keys and keys[-1] == key), None)
        if kind is not None:
            names[kind] = names.get(kind, set()) | {text} - _DEFAULT_NAMES
        elif any(part in key.lower() for key in keys for part in _SECRET_KEYS):
            secrets.add(text)
    return secrets, names


def _texts(value: object, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each string in ``value``, with the path of keys to it."""
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*keys, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, keys)
