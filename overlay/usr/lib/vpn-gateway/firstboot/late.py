"""Once netd answers: import the .conf files, sign in, connect. Through the same protocol as the web, as root.

What the network was not ready for is left for another try (``Outcome.retry``); what will not get better by itself is
told in the report. What was carried out is not carried out again, so that the web interface has the last word.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from app.errors import ConflictError, GatewayError, UnavailableError
from app.gateway import Connect, Gateway, ImportConfig, SelectProvider, SignIn
from app.ipc import Client
from firstboot.early import Paths, signed_in, write
from firstboot.fat import LIMIT, Fat
from firstboot.schema import Config, SchemaError, Vpn, decode

SOCKET = Path("/run/vpn-gateway/netd.sock")
PATIENCE = 120.0  # seconds for netd to come up
SETTLE = 15.0  # seconds for USB adapters and radios to appear


@dataclass
class Outcome:
    faults: list[str] = field(default_factory=list)
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
        outcome.retry = error.status >= 500 or error.status == 429
    else:
        write(done, mark.encode(), 0o600)
    return outcome


async def _import(paths: Paths, gateway: Gateway, outcome: Outcome) -> None:
    """A file that was imported is removed: it holds a private key."""
    fat = Fat(paths.fat)
    for path in fat.configs():
        try:
            with path.open("rb") as file:
                data = file.read(LIMIT + 1)
            if len(data) > LIMIT:
                raise SchemaError(f"larger than {LIMIT} bytes")
            await gateway.submit(ImportConfig(name=path.stem, config=decode(data)))
        except ConflictError:
            pass  # taken at an earlier start, which was cut off before it could remove the file
        except (SchemaError, GatewayError) as error:
            outcome.faults.append(f"{path.name}: {error}")
            continue
        with fat.writable():
            fat.remove(path)
        print(f"{path.name}: imported, and removed from the boot partition")


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
    if vpn.connect is not None and snapshot.exit().server != vpn.connect:
        await gateway.submit(Connect(vpn.connect))


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
