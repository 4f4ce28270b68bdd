"""The proof that this machine's nft and kernel write elements as :mod:`app.network.nft_bytes` does, by samples.

A set that is empty when it is loaded proves nothing, and an element that is added to it in another encoding than nft's
would match no packet and still be what attestation expects. So before the first load a table with one set of each kind
is loaded by nft, read back and compared. Sets of a kind that is written otherwise are only ever loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from app.errors import KernelError
from app.network import nft, nft_bytes, nft_kernel
from app.network.nft_layout import SetLayout
from app.network.ruleset.syntax import collection

log = logging.getLogger(__name__)

Kind = tuple[tuple[str, ...], str | None, str]  # fields, value and flags

TABLE = "vpn_gateway_probe"
_CHAIN = "sample"
# More than one byte of each number differs from its neighbours, so that an order of bytes cannot be taken for another.
SAMPLES = {
    "ether saddr": "02:00:00:00:01:03",
    "meta mark": "0x102",
    "ct mark": "0x102",
    "meta skuid": "1000",
    "meta nfproto": "ipv4",
    "iifname": '"wg0a"',
    "oifname": '"wg0a"',
    "tcp option maxseg size": "1380",
    "th dport": "5301",
    "tcp dport": "5301",
    "udp dport": "5301",
    "ip saddr": "10.1.2.3",
    "ip daddr": "10.1.2.3",
    "ip6 saddr": "fd00::1:2",
    "ip6 daddr": "fd00::1:2",
    "verdict": f"goto {_CHAIN}",
}
_NETWORKS = {"ip daddr": "10.0.0.0/8", "ip6 daddr": "fc00::/7"}


def kind(one: SetLayout) -> Kind:
    return one.key, one.value, one.flags


async def proven(kinds: Iterable[Kind]) -> frozenset[Kind]:
    """Those of ``kinds`` whose elements are written as expected; a kind without a sample is not.

    None of them is where the samples could not be loaded and read: the ruleset itself needs no proof.
    """
    samples = [one for one in map(_sample, dict.fromkeys(kinds)) if one is not None]
    try:
        await nft.load(_text(samples))
        found = frozenset(kind(one) for n, one in enumerate(samples) if _as_expected(n, one))
        nft_kernel.delete_table("inet", TABLE)
    except (KernelError, OSError) as error:
        log.warning("nothing is known about how nft writes elements: %s", error)
        return frozenset()
    return found


def _sample(one: Kind) -> SetLayout | None:
    fields, value, flags = one
    if not {*fields, *((value,) if value else ())} <= SAMPLES.keys():
        return None
    parts = [_NETWORKS.get(field, SAMPLES[field]) if flags == "interval" else SAMPLES[field] for field in fields]
    return SetLayout(fields, value, flags, {" . ".join(parts): SAMPLES[value] if value else ""})


def _text(samples: list[SetLayout]) -> str:
    sets: list[str] = []
    for n, one in enumerate(samples):
        timeout = " timeout 1h" if one.flags == "timeout" else ""
        elements = (f"{key}{timeout}{f' : {value}' if value else ''}" for key, value in one.elements.items())
        typed = " . ".join(one.key) + (f" : {one.value}" if one.value else "")
        sets.append(collection("map" if one.value else "set", f"s{n}", typed, elements, one.flags))
    table = f"table inet {TABLE}"
    return f"{table} {{ }}\ndelete {table}\n{table} {{\nchain {_CHAIN} {{ }}\n" + "\n".join(sets) + "\n}\n"


def _as_expected(number: int, one: SetLayout) -> bool:
    try:
        wanted = nft_bytes.every_element(one)
    except nft_bytes.UnknownFieldError:
        return False
    return wanted == frozenset(nft_kernel.lasting_parts("inet", f"s{number}", TABLE))
