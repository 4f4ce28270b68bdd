"""Once netd answers: import the .conf files, choose the provider, connect. Through the same protocol as the web."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from app.errors import ConflictError, GatewayError, UnavailableError
from app.gateway import Connect, Gateway, ImportConfig, SelectProvider
from app.ipc import Client
from firstboot.early import Paths
from firstboot.fat import LIMIT, Fat
from firstboot.schema import Config, SchemaError, decode

SOCKET = Path("/run/vpn-gateway/netd.sock")
PATIENCE = 120.0  # seconds for netd to come up


async def carry_out(paths: Paths, config: Config, gateway: Gateway) -> list[str]:
    """Returns what went wrong, for the report. A file that was imported is removed: it holds a private key."""
    faults: list[str] = []
    fat = Fat(paths.fat)
    for path in fat.configs():
        try:
            data = path.read_bytes()
            if len(data) > LIMIT:
                raise SchemaError(f"larger than {LIMIT} bytes")
            await gateway.submit(ImportConfig(name=path.stem, config=decode(data)))
        except ConflictError:
            pass  # taken at an earlier start, which was cut off before it could remove the file
        except (SchemaError, GatewayError) as error:
            faults.append(f"{path.name}: {error}")
            continue
        with fat.writable():
            fat.remove(path)
        print(f"{path.name}: imported, and removed from the boot partition")

    snapshot = await gateway.snapshot()
    vpn = config.vpn
    try:
        if vpn.provider is not None and vpn.provider != snapshot.provider:
            await gateway.submit(SelectProvider(vpn.provider))
        if vpn.connect is not None and snapshot.exit().server != vpn.connect:
            await gateway.submit(Connect(vpn.connect))
    except GatewayError as error:
        faults.append(f"vpn: {error.message}")
    return faults


async def connected() -> Gateway:
    """netd, as soon as it answers. Raises UnavailableError where it never does."""
    deadline = time.monotonic() + PATIENCE
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
