"""Time to parse, store, load and list ten thousand servers.

Compared with msgspec decoding the same bytes, without any checks. Runs without a lab:
``python -m ci.benchmarks.providers``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec

from app import serialization
from app.https.transport import Destination, Streams
from app.model import ServerFilter
from app.providers import mullvad_relays
from app.providers.base import Environment
from app.providers.mullvad import MullvadProvider
from app.providers.selection import choose, matching
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.cache import ListCache
from app.store.accounts import Accounts
from ci.benchmarks import relaylists
from ci.benchmarks.result import Result, median
from ci.labnet import Lab

SERVERS = 10_000
ROUNDS = 5


class _NoTransport:
    @contextlib.asynccontextmanager
    async def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AsyncGenerator[Streams, None]:  # noqa: ARG002
        raise OSError("the benchmark has no network")
        yield


def _milliseconds(work: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def measure(lab: Lab | None = None) -> list[Result]:  # noqa: ARG001 - the signature that all benchmarks share
    data = relaylists.encode(relaylists.mullvad(SERVERS))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        kept = ListCache(directory, None, "mullvad")
        found = mullvad_relays.parse(data, None, AddressPolicy())
        assert len(found.relays) == SERVERS
        environment = Environment(transport=_NoTransport(), accounts=Accounts(directory), lists=directory)
        plain = _milliseconds(lambda: msgspec.json.decode(data))
        read = _milliseconds(lambda: mullvad_relays.parse(data, None, AddressPolicy()))
        save = _milliseconds(lambda: asyncio.run(kept.save(found)))
        start = _milliseconds(lambda: asyncio.run(MullvadProvider(environment).servers()))
        provider = MullvadProvider(environment)
        servers = asyncio.run(provider.servers())
        shown = _milliseconds(lambda: serialization.encode(asyncio.run(provider.servers())))
        dumped = serialization.to_builtins(servers)
        plain_out = _milliseconds(lambda: json.dumps(dumped))
        usable = [msgspec.structs.replace(s, missing=()) for s in servers]
        search = _milliseconds(lambda: matching(usable, ServerFilter(search="city ab wg")))
        ranked = _milliseconds(lambda: choose(usable, "fastest"))
        place = _milliseconds(lambda: choose(usable, "City ab-aaa"))
        by_name = _milliseconds(lambda: sorted(usable, key=lambda s: s.hostname))
        tunnel = _milliseconds(lambda: provider.by_key(found.relays[-1].public_key))
    return [
        Result(
            "list of 10,000 servers: read, judged / msgspec decoding it",
            f"{read:.0f} ms",
            f"{plain:.0f} ms",
            read / plain,
            5,
        ),
        Result("list of 10,000 servers: kept on disk", f"{save:.0f} ms", "-", save, 500, " ms"),
        Result("list of 10,000 servers: first shown after a start", f"{start:.0f} ms", "-", start, 1000, " ms"),
        Result("list of 10,000 servers: as JSON", f"{shown:.0f} ms", f"{plain_out:.0f} ms", shown, 100, " ms"),
        Result("list of 10,000 servers: searched", f"{search:.0f} ms", "-", search, 200, " ms"),
        Result("list of 10,000 servers: ranked", f"{ranked:.0f} ms", f"{by_name:.0f} ms", ranked, 200, " ms"),
        Result("list of 10,000 servers: a city chosen", f"{place:.0f} ms", "-", place, 200, " ms"),
        Result("list of 10,000 servers: one found by its key", f"{tunnel:.1f} ms", "-", tunnel, 10, " ms"),
    ]


if __name__ == "__main__":
    for result in measure():
        print(result)
