"""nftables: rulesets are loaded, and counters, the generation and the names of tables read from the kernel.

The nft program loads, because only it knows the language (nft(8)). The rest goes over netlink, without a process
(linux/netfilter/nf_tables.h); so do changes of elements and attestation (:mod:`app.network.nft_kernel`).
"""

from __future__ import annotations

import errno
import json
import re
import struct
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from app import process
from app.errors import KernelError
from app.network.netlink_raw import NETLINK_NETFILTER, NLM_F_ACK, NLM_F_DUMP, attribute, attributes, exchange, nfgenmsg
from app.network.plan import NFT_TABLE
from app.process import Finished

TIMEOUT = 30.0  # seconds; the first load waits for a dozen kernel modules, from an SD card
OWN_TABLES = frozenset({NFT_TABLE, f"{NFT_TABLE}_accounting", f"{NFT_TABLE}_probe"})

_SUBSYSTEM = 10 << 8
_GETTABLE, _GETGEN, _GETOBJ = _SUBSYSTEM | 1, _SUBSYSTEM | 16, _SUBSYSTEM | 19
_TABLE_NAME, _GEN_ID = 1, 1
_OBJ_TABLE, _OBJ_NAME, _OBJ_TYPE, _OBJ_DATA, _OBJECT_COUNTER = 1, 2, 3, 4, 1
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_INET, _BRIDGE = 1, 7

_EMPTY_COUNTER = re.compile(r"(?m)^(\s*counter )(\w+)( \{) *\}$")
_FILLED_SET = re.compile(r"(\tset (\w+) \{[^}]*\n\t\ttimeout \d+s)(?=\n)")
_TIMED_ELEMENT = re.compile(r"(?m)^(add element [^\n]* timeout )until (\d+\.\d+)( [^\n]*\n)")


class Count(Struct, frozen=True):
    packets: int
    bytes: int


# --- the nft program -------------------------------------------------------------------------------------------------


async def run(*arguments: str, text: str = "", meanwhile: Callable[[], object] = lambda: None) -> Finished:
    """Run nft with ``text`` as its input, and call ``meanwhile`` once it runs. Only this function starts it.

    Raises ProcessError where it cannot be run or does not finish in time; it is killed then.
    """
    return await process.run("nft", *arguments, timeout=TIMEOUT, feed=text, check=False, meanwhile=meanwhile)


async def load(ruleset: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Load one transaction: all of it or nothing. Raises KernelError with nft's first error and its line.

    ``meanwhile`` is called once nft runs.
    """
    done = await run("-f", "-", text=ruleset, meanwhile=meanwhile)
    if done.status != 0:
        raise KernelError(f"nftables refused the ruleset: {first_error(ruleset, done.stderr, done.status)}")


def first_error(ruleset: str, problem: str, status: int) -> str:
    """The first error that nft printed, with the beginning of the ruleset's line that it is about (pure)."""
    lines = problem.strip().splitlines()
    if not lines:
        return f"exit status {status}"
    place = re.search(r"(?:stdin|/dev/stdin):(\d+):", lines[0])
    text = ruleset.splitlines()
    reason = lines[0].rpartition("Error: ")[2][:200]
    if place is None or not 0 < int(place[1]) <= len(text):
        return reason
    return f"{reason} in line {place[1]}: {text[int(place[1]) - 1].strip()[:100]}"


async def elements(family: str, name: str) -> tuple[str, ...]:
    """The elements of a set in the gateway's table that packets fill; none where it is missing. Raises KernelError.

    The parts of one that has several are joined by spaces.
    """
    done = await run("-j", "list", "set", family, NFT_TABLE, name)
    if done.status != 0:
        if "No such file" in done.stderr:
            return ()
        raise KernelError(f"nft cannot list the set {name}: {done.stderr.strip()[:200]}")
    (found,) = (item["set"] for item in json.loads(done.stdout)["nftables"] if "set" in item)
    values = (e["elem"]["val"] if isinstance(e, dict) and "elem" in e else e for e in found.get("elem", ()))
    return tuple(sorted(" ".join(v["concat"]) if isinstance(v, dict) else v for v in values))


# --- the kernel itself -----------------------------------------------------------------------------------------------


def generation() -> int:
    """The ruleset's generation number, which every transaction of any program raises by one. Raises OSError."""
    (answer,) = exchange(NETLINK_NETFILTER, _GETGEN, NLM_F_ACK, nfgenmsg(0))
    return struct.unpack(">I", attributes(answer[4:])[_GEN_ID])[0]


def foreign_tables() -> tuple[str, ...]:
    """Other programs' tables, as ``family name``. They cannot accept what ours drop, but they may mark and divert.

    Raises OSError.
    """
    found: set[str] = set()
    for answer in exchange(NETLINK_NETFILTER, _GETTABLE, NLM_F_DUMP, nfgenmsg(0)):
        name = _text(attributes(answer[4:])[_TABLE_NAME])
        if name not in OWN_TABLES:
            found.add(f"{_FAMILIES.get(answer[0], answer[0])} {name}")
    return tuple(sorted(found))


def counters() -> dict[str, Count]:
    """The named counters of the gateway's tables. Raises OSError."""
    wanted = attribute(_OBJ_TABLE, NFT_TABLE.encode() + b"\0")
    wanted += attribute(_OBJ_TYPE, struct.pack(">I", _OBJECT_COUNTER))
    found: dict[str, Count] = {}
    for family in (_INET, _BRIDGE):
        try:
            answers = exchange(NETLINK_NETFILTER, _GETOBJ, NLM_F_DUMP, nfgenmsg(family, wanted))
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT}:
                raise
            continue
        for answer in answers:
            values = attributes(answer[4:])
            if _text(values[_OBJ_TABLE]) == NFT_TABLE:
                data = attributes(values[_OBJ_DATA])
                packets, size = (struct.unpack(">Q", data[kind])[0] for kind in (_COUNTER_PACKETS, _COUNTER_BYTES))
                found[_text(values[_OBJ_NAME])] = Count(packets, size)
    return found


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()


# --- texts and listings (pure) ---------------------------------------------------------------------------------------


def carry_over(ruleset: str, counts: dict[str, Count], elements: Mapping[str, Sequence[str]] = {}) -> str:
    """``ruleset`` with its named counters starting at ``counts``, so that replacing the table loses no drop.

    ``elements`` are those of sets that packets fill; their timeouts start again.
    """

    def fill(match: re.Match[str]) -> str:
        names = ", ".join(f'"{name}"' for name in elements.get(match[2], ()))
        return f"{match[1]}\n\t\telements = {{ {names} }}" if names else match[1]

    def start(match: re.Match[str]) -> str:
        count = counts.get(match[2])
        values = f" packets {count.packets} bytes {count.bytes} " if count else " "
        return f"{match[1]}{match[2]}{match[3]}{values}}}"

    return _FILLED_SET.sub(fill, _EMPTY_COUNTER.sub(start, ruleset))


def with_deadlines(transaction: str, now: float) -> str:
    """``transaction`` with the time left until each deadline of an element; one that is over is left out.

    ``now`` is by CLOCK_BOOTTIME, as the deadlines are.
    """

    def fill(match: re.Match[str]) -> str:
        left = int((float(match[2]) - now) * 1000)
        return f"{match[1]}{left // 1000}s{left % 1000}ms{match[3]}" if left > 0 else ""

    return _TIMED_ELEMENT.sub(fill, transaction)
