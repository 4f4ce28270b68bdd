"""The step after netd's start: import from the card, sign in, connect. It runs as root, with the web's protocol.

An error that may pass, such as a network that is not ready, leads to another try (``Outcome.retry``); other errors are
in the report. A step that has succeeded is not repeated, so that later changes in the web interface stay.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from pathlib import Path

import aiofiles.os
import msgspec

from app import async_files
from app.errors import GatewayError, NotFoundError, UnavailableError
from app.filenames import server_name
from app.firstboot import faults, report
from app.firstboot.card_import import import_files
from app.firstboot.configuration import forget_account, stored_config
from app.firstboot.faults import Source
from app.firstboot.outcome import Outcome, may_succeed_later
from app.firstboot.paths import Paths, write
from app.firstboot.schema import Config, Vpn
from app.ipc import Client
from app.protocol.commands import Connect, SelectProvider, SignIn
from app.protocol.gateway import Gateway

SOCKET = Path("/run/vpn-gateway/netd.sock")
NETD_TIMEOUT = 120.0  # seconds for netd to come up
SETTLE_TIME = 15.0  # seconds for USB adapters and radios to appear


async def run(paths: Paths) -> int:
    """Run the step. The status EX_TEMPFAIL makes systemd try again later (``Restart=on-failure``)."""
    outcome = await carry_out(paths, await _stored_config(paths), await connected())
    for fault in outcome.faults:
        print(fault, file=sys.stderr)
    await _report(paths, outcome.faults + outcome.notes)
    return os.EX_TEMPFAIL if outcome.retry else 0


_stored_config = aiofiles.os.wrap(stored_config)
_forget_account = aiofiles.os.wrap(forget_account)
_write = aiofiles.os.wrap(write)


@aiofiles.os.wrap
def _report(paths: Paths, lines: list[str]) -> None:
    faults.record(paths.run, Source.IMPORT, lines)
    report.report_all(paths)


async def carry_out(paths: Paths, config: Config, gateway: Gateway) -> Outcome:
    outcome = Outcome()
    await import_files(paths, gateway, outcome)
    await _wait_for_wan(gateway, outcome)
    done = paths.data / "setup" / "carried-out"
    fingerprint = _fingerprint(config.vpn)
    if not config.vpn.account and await async_files.read(done) == fingerprint.encode():
        return outcome
    try:
        await _set_up_vpn(paths, config.vpn, gateway)
    except GatewayError as error:
        outcome.faults.append(f"vpn: {error.message}")
        outcome.retry |= may_succeed_later(error)
    else:
        await _write(done, fingerprint.encode(), 0o600)
    return outcome


async def _wait_for_wan(gateway: Gateway, outcome: Outcome) -> None:
    """Wait until the WAN is known; report on the card if it is not, since no port is the LAN's without it."""
    deadline = time.monotonic() + SETTLE_TIME
    while (problem := (await gateway.snapshot()).wan_problem) is not None:
        if time.monotonic() > deadline:
            key = "network.lan_address" if problem.reason == "networks_overlap" else "network.wan"
            outcome.faults.append(f"{key}: {problem.message}")
            outcome.retry = True
            return
        await asyncio.sleep(1)


def _fingerprint(vpn: Vpn) -> str:
    """A fingerprint of ``[vpn]`` without the account, which is removed from it after the sign-in."""
    return hashlib.sha256(msgspec.json.encode((vpn.provider, vpn.connect))).hexdigest()


async def _set_up_vpn(paths: Paths, vpn: Vpn, gateway: Gateway) -> None:
    """Select the provider, sign in and connect, as ``vpn`` says. Raises GatewayError."""
    snapshot = await gateway.snapshot()
    if vpn.provider is not None and vpn.provider != snapshot.provider:
        await gateway.submit(SelectProvider(vpn.provider))
    if vpn.provider is not None and vpn.account:
        await gateway.submit(SignIn(vpn.provider, vpn.account))
        await _forget_account(paths)
        print(f"signed in with {vpn.provider}")
    if vpn.connect is not None and snapshot.exit().server not in {vpn.connect, server_name(vpn.connect)}:
        await _connect(vpn.connect, gateway)


async def _connect(server: str, gateway: Gateway) -> None:
    """Connect to ``server``, or to the server imported from a file of this name. Raises GatewayError."""
    try:
        await gateway.submit(Connect(server))
    except GatewayError as error:
        if error.status != NotFoundError.status or server_name(server) == server:
            raise
        await gateway.submit(Connect(server_name(server)))


async def connected(timeout: float = NETD_TIMEOUT) -> Gateway:
    """A client of netd, once it answers. Raises UnavailableError where it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
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
