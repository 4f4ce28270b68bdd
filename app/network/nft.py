"""The nft program: one transaction in, the live ruleset out. nft(8), libnftables-json(5)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Any

from app.errors import KernelError
from app.network.plan import NFT_TABLE

TIMEOUT = 10.0  # seconds
OWN_TABLES = frozenset({NFT_TABLE, f"{NFT_TABLE}_accounting"})


async def _run(arguments: list[str], text: str | None = None) -> tuple[int, bytes, str]:
    process = await asyncio.create_subprocess_exec(
        "nft",
        *arguments,
        stdin=asyncio.subprocess.PIPE if text is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            out, err = await process.communicate(text.encode() if text is not None else None)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise KernelError("nft did not finish") from None
    return process.returncode or 0, out, err.decode(errors="replace")


async def load(ruleset: str) -> None:
    """Load one transaction: all of it or nothing. Raises KernelError with the first complaint and its line."""
    status, _, problem = await _run(["-f", "-"], ruleset)
    if status != 0:
        first = problem.strip().splitlines()[0] if problem.strip() else f"exit status {status}"
        line = re.search(r"stdin:(\d+)", first)
        where = ruleset.splitlines()[int(line[1]) - 1].strip()[:120] if line else ""
        raise KernelError(f"nftables refused the ruleset: {first.rpartition('Error: ')[2]} {where!r}")


async def table() -> list[dict[str, Any]] | None:
    """The live table as nft's JSON objects; None where there is none."""
    status, out, _ = await _run(["-j", "list", "table", "inet", NFT_TABLE])
    return json.loads(out)["nftables"] if status == 0 else None


async def foreign_tables() -> tuple[str, ...]:
    """Tables that are not ours, as ``family name``. They cannot open what ours drops, but they may hide or divert."""
    status, out, _ = await _run(["-j", "list", "tables"])
    if status != 0:
        return ()
    found = [item["table"] for item in json.loads(out)["nftables"] if "table" in item]
    return tuple(sorted(f"{t['family']} {t['name']}" for t in found if t["name"] not in OWN_TABLES))


def counters(objects: list[dict[str, Any]]) -> dict[str, int]:
    """Packets by named counter (pure)."""
    return {item["counter"]["name"]: item["counter"]["packets"] for item in objects if "counter" in item}


def fingerprint(objects: list[dict[str, Any]]) -> str:
    """A digest of what the table does: handles and counter values, which change by themselves, are left out (pure)."""
    kept = [_essence(item) for item in objects if "metainfo" not in item]
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _essence(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _essence(v) for k, v in value.items() if k not in {"handle", "packets", "bytes", "index"}}
    if isinstance(value, list):
        return [_essence(v) for v in value]
    return value
