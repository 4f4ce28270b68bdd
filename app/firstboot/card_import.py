"""The import of the .conf files and zips on the card by netd. They contain private keys and are removed afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiofiles.os

from app import confzip
from app.errors import GatewayError, InvalidFieldError, TooLargeError
from app.filenames import plain
from app.firstboot.fat import LIMIT, Fat, is_archive, is_overwritten, read
from app.firstboot.gateway_toml import decode
from app.firstboot.outcome import Outcome, may_succeed_later
from app.firstboot.paths import Paths, write
from app.protocol.answers import Done
from app.protocol.commands import Bulk, ImportConfig
from app.protocol.gateway import Gateway


async def import_files(paths: Paths, gateway: Gateway, outcome: Outcome) -> None:
    """Import each file and remove it. A file that cannot be used stays; importing one again changes nothing."""
    fat = Fat(paths.fat)
    outcome.notes = await _keep_notes(paths, [])
    for path in await _importable(fat):
        name = plain(path.name)
        try:
            data = await _read(path, confzip.MAX_BYTES if is_archive(path.name) else LIMIT)
            import_one = _import_archive if is_archive(path.name) else _import_config
            # An overwritten file was imported by a start that was interrupted before it removed the file.
            notes = [] if is_overwritten(data) else await import_one(path.name, data, gateway)
        except (GatewayError, OSError) as error:
            outcome.faults.append(f"{name}: {error}. It stays here, with the keys that it holds")
            outcome.retry |= isinstance(error, GatewayError) and may_succeed_later(error)
            continue
        # Before the file is removed: nothing else records its name.
        outcome.notes = await _keep_notes(paths, [f"{name}: {note}" for note in notes])
        await _remove(fat, path)
        print(f"{name}: imported, and removed from the boot partition")


_importable = aiofiles.os.wrap(Fat.importable)


@aiofiles.os.wrap
def _remove(fat: Fat, path: Path) -> None:
    with fat.writable():
        fat.remove(path)


@aiofiles.os.wrap
def _keep_notes(paths: Paths, notes: list[str]) -> list[str]:
    """The notes of earlier tries since power-on and then ``notes``; stored for the next try."""
    path = paths.run / "vpn-gateway-setup" / "imported"
    known = path.read_text().splitlines() if path.exists() else []
    every = list(dict.fromkeys(known + notes))
    if every != known:
        write(path, "".join(f"{note}\n" for note in every).encode(), 0o600)
    return every


@aiofiles.os.wrap
def _read(path: Path, limit: int) -> bytes:
    data = read(path, limit)
    if data is None:
        raise TooLargeError(f"larger than {limit} bytes")
    return data


async def _import_config(name: str, data: bytes, gateway: Gateway) -> list[str]:
    """Import a .conf file; return notes for the user. Raises GatewayError."""
    done = await gateway.submit(ImportConfig(plain(name), decode(data).text, from_file=True))
    return [f'it is the server "{server}"' for _, server in _renamed([name], [done])] + _offers([done])


async def _import_archive(_name: str, data: bytes, gateway: Gateway) -> list[str]:
    """Import all .conf files of a zip or none; return notes for the user. Raises GatewayError."""
    entries = await asyncio.to_thread(confzip.read, data)
    bad = [f"{entry.file}: {entry.problem}" for entry in entries if entry.problem is not None and not entry.foreign]
    if bad:
        raise InvalidFieldError(f"{_listed(bad)}; nothing was imported")
    files = [entry for entry in entries if entry.problem is None]
    commands = tuple(ImportConfig(entry.name, entry.config, from_file=True) for entry in files)
    try:
        outcomes = await gateway.submit(Bulk(commands, atomic=True))
    except GatewayError as error:
        raise confzip.with_file_name(error, files) from None
    renamed = _renamed([entry.name for entry in files], [found.done for found in outcomes])
    notes = [_listed([f'{file} is the server "{name}"' for file, name in renamed])] if renamed else []
    if foreign := [entry.file for entry in entries if entry.foreign]:
        notes.append(f"left out, as they are no .conf files: {_listed(foreign)}")
    return notes + _offers([found.done for found in outcomes])


def _offers(answers: Sequence[Done | None]) -> list[str]:
    """A note for each provider whose whole list the key of a file opens, of the first such file."""
    opens = [done.opens for done in answers if done is not None and done.opens is not None]
    first = {offer.provider: offer for offer in reversed(opens)}
    return [
        f"it looks like a file of {offer.title}, whose key opens all of {offer.title}'s servers: choose {offer.title} "
        "as the provider on the gateway's page, and use the file's key there"
        for offer in first.values()
    ]


def _renamed(files: list[str], answers: Sequence[Done | None]) -> list[tuple[str, str]]:
    """The files whose server has another name than they have, with that name."""
    return [
        (plain(file), done.server)
        for file, done in zip(files, answers, strict=True)
        if done is not None and done.server is not None and _stem(file) != done.server.casefold()
    ]


def _stem(file: str) -> str:
    return file.casefold().removesuffix(".txt").removesuffix(".conf")


def _listed(items: list[str], most: int = 5) -> str:
    """The first ``most`` of ``items``, and the number of the others."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")
