"""One round of probes in the lab's gateway while netd is dead: prints how many packets were seen on the WAN."""

from __future__ import annotations

import asyncio
import secrets
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from app.canary import filters
from app.canary.identity import TARGETS6, mac
from app.canary.probes import Ends, probes
from app.netd.canary.capture import Capture, Tap
from app.network import canary_link
from ci.labnet.gateway import CAPTURE

TARGETS = IPv4Network("203.0.113.0/24")


async def main() -> None:
    router = await canary_link.connect("lan0", bridged=False)
    ends = Ends(
        mac=mac(0),
        router=router,
        source4=IPv4Address("192.168.77.253"),
        source6=None,
        gateway4=IPv4Address("192.168.77.1"),
        gateway6=None,
        wan=(IPv4Address("192.168.1.20"),),
        targets4=TARGETS,
    )
    sent = probes(ends, lambda: secrets.token_bytes(8), lambda: 40000)
    taps = [
        Tap("lan", "lan0", filters.probes("in", TARGETS, TARGETS6, names=False)),
        Tap("wan", "wan0", filters.probes("out", TARGETS, TARGETS6, names=True)),
    ]
    found = await Capture(Path(CAPTURE)).run(taps, [p.needle for p in sent], [p.frame for p in sent], 1.5)
    lan, wan = found.taps
    if len(lan.seen) != len(sent):
        raise SystemExit(f"{len(lan.seen)} of {len(sent)} probes arrived: {found}")
    print(sum(wan.seen.values()))


if __name__ == "__main__":
    asyncio.run(main())
