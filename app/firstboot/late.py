"""Once netd answers: import .conf files and zips of them, sign in, connect. By the same protocol as the web, as root.

What the network was not ready for is left for another try (``Outcome.retry``); what will not get better by itself is
told in the report. What was carried out is not carried out again, so that the web interface has the last word.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from app import confzip
from app.errors import GatewayError, NotFoundError, UnavailableError
from app.filenames import plain, server_name
from app.firstboot.early import Paths, signed_in, write
from app.firstboot.fat import LIMIT, Fat, is_archive, is_overwritten, read
from app.firstboot.schema import Config, SchemaError, Vpn, decode
from app.gateway import Bulk, Connect, Done, Gateway, ImportConfig, Outcomes, Result, SelectProvider, SignIn
from app.ipc import Client

SOCKET = Path("/run/vpn-gateway/netd.sock")
PATIENCE = 120.0  # seconds for netd to come up
SETTLE = 15.0  # seconds for USB adapters and radios to appear


@dataclass
class Outcome:
    faults: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])  # of what was taken, but not as it was
    retry: bool = False  # something failed that may well succeed in a while


async def carry_out(paths: Paths, config: Config, gateway: Gateway) -> Outcome:
    outcome = Outcome()
    await _import(paths, gateway, outcome)
    await _wiring(gateway, outcome)
    done = paths.data / "setup" / "carried-out"
    mark = _mark(config.vpn)
    if not config.vpn.account and done.exists() and done.read_text() == mark:
        return outcome
    try:
        await _vpn(paths, config.vpn, gateway)
    except GatewayError as error:
        outcome.faults.append(f"vpn: {error.message}")
        outcome.retry |= _may_get_better(error)
    else:
        write(done, mark.encode(), 0o600)
    return outcome


async def _import(paths: Paths, gateway: Gateway, outcome: Outcome) -> None:
    """A file that was imported is removed: it holds a private key. To import one again changes nothing."""
    fat = Fat(paths.fat)
    outcome.notes = _noted(paths, [])
    for path in fat.importable():
        name = plain(path.name)
        try:
            data = _read(path, confzip.MAX_BYTES if is_archive(path.name) else LIMIT)
            take = _archive if is_archive(path.name) else _config
            # What was overwritten already was imported, by a start that was cut off before it could remove it.
            notes = [] if is_overwritten(data) else await take(path.name, data, gateway)
        except (SchemaError, GatewayError, OSError) as error:
            outcome.faults.append(f"{name}: {error}. It stays here, with the keys that it holds")
            outcome.retry |= isinstance(error, GatewayError) and _may_get_better(error)
            continue
        # Before the file is gone: of what it was called nothing else is left.
        outcome.notes = _noted(paths, [f"{name}: {note}" for note in notes])
        with fat.writable():
            fat.remove(path)
        print(f"{name}: imported, and removed from the boot partition")


def _noted(paths: Paths, notes: list[str]) -> list[str]:
    """``notes`` after those of earlier tries since the machine was switched on."""
    path = paths.run / "vpn-gateway-setup" / "imported"
    known = path.read_text().splitlines() if path.exists() else []
    every = list(dict.fromkeys(known + notes))
    if every != known:
        write(path, "".join(f"{note}\n" for note in every).encode(), 0o600)
    return every


def _read(path: Path, limit: int) -> bytes:
    data = read(path, limit)
    if data is None:
        raise SchemaError(f"larger than {limit} bytes")
    return data


async def _config(name: str, data: bytes, gateway: Gateway) -> list[str]:
    """Import a .conf file; returns what people should know. Raises SchemaError, GatewayError."""
    done = await gateway.submit(ImportConfig(plain(name), decode(data).text, from_file=True))
    return [f'it is the server "{server}"' for _, server in _renamed([name], [done])]


async def _archive(_name: str, data: bytes, gateway: Gateway) -> list[str]:
    """Import all of a zip's .conf files or none, as :func:`_config` does."""
    entries = await asyncio.to_thread(confzip.read, data)
    bad = [f"{entry.file}: {entry.problem}" for entry in entries if entry.problem is not None and not entry.foreign]
    if bad:
        raise SchemaError(f"{_some(bad)}; nothing was imported")
    files = [entry for entry in entries if entry.problem is None]
    commands = tuple(ImportConfig(entry.name, entry.config, from_file=True) for entry in files)
    try:
        answer = await gateway.submit(Bulk(commands, atomic=True))
    except GatewayError as error:
        raise confzip.of_file(error, files) from None
    assert isinstance(answer, Outcomes)
    renamed = _renamed([entry.name for entry in files], [found.done for found in answer.outcomes])
    notes = [_some([f'{file} is the server "{name}"' for file, name in renamed])] if renamed else []
    if foreign := [entry.file for entry in entries if entry.foreign]:
        notes.append(f"left out, as they are no .conf files: {_some(foreign)}")
    return notes


def _renamed(files: list[str], answers: Sequence[Result | None]) -> list[tuple[str, str]]:
    """The files whose server is called otherwise than they are, and what it is called."""
    return [
        (plain(file), done.server)
        for file, done in zip(files, answers, strict=True)
        if isinstance(done, Done) and done.server is not None and _stem(file) != done.server.casefold()
    ]


def _stem(file: str) -> str:
    return file.casefold().removesuffix(".txt").removesuffix(".conf")


def _some(items: list[str], most: int = 5) -> str:
    """The first of ``items``, and how many more there are."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")


def _may_get_better(error: GatewayError) -> bool:
    return error.status >= 500 or error.status == 429 or error.code == "busy"


async def _wiring(gateway: Gateway, outcome: Outcome) -> None:
    """Without a WAN that is known no port is the LAN's, so the card is where a person can read why."""
    deadline = time.monotonic() + SETTLE
    while (problem := (await gateway.snapshot()).wan_problem) is not None:
        if time.monotonic() > deadline:
            outcome.faults.append(f"network.wan: {problem.message}")
            outcome.retry = True
            return
        await asyncio.sleep(1)


def _mark(vpn: Vpn) -> str:
    """Tells one ``[vpn]`` from another; without the account, which is taken out of it sooner or later."""
    return hashlib.sha256(msgspec.json.encode((vpn.provider, vpn.connect))).hexdigest()


async def _vpn(paths: Paths, vpn: Vpn, gateway: Gateway) -> None:
    """Raises GatewayError."""
    snapshot = await gateway.snapshot()
    if vpn.provider is not None and vpn.provider != snapshot.provider:
        await gateway.submit(SelectProvider(vpn.provider))
    if vpn.provider is not None and vpn.account:
        await gateway.submit(SignIn(vpn.provider, vpn.account))
        signed_in(paths)
        print(f"signed in with {vpn.provider}")
    if vpn.connect is not None and snapshot.exit().server not in {vpn.connect, server_name(vpn.connect)}:
        await _connect(vpn.connect, gateway)


async def _connect(server: str, gateway: Gateway) -> None:
    """Connect to ``server``, or to what a file of this name is called. Raises GatewayError."""
    try:
        await gateway.submit(Connect(server))
    except GatewayError as error:
        if error.status != NotFoundError.status or server_name(server) == server:
            raise
        await gateway.submit(Connect(server_name(server)))


async def connected(patience: float = PATIENCE) -> Gateway:
    """netd, as soon as it answers. Raises UnavailableError where it does not within ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            gateway = Client(SOCKET)
            await gateway.snapshot()
        except (GatewayError, OSError):
            if time.monotonic() > deadline:
                raise UnavailableError("netd does not answer") from None
            await asyncio.sleep(1)
        else:
            return gateway
