"""Time to connect: ``POST /api/connect`` against ``wg-quick up``, both until the handshake.

The API answers after the completed handshake; ``wg-quick up`` returns earlier, by one round trip.
"""

from __future__ import annotations

import time

from ci.benchmarks import wg_quick
from ci.benchmarks.reference_gateway import ROUTER, plain_gateway
from ci.benchmarks.result import Result, median, spread
from ci.labnet import Lab

ROUNDS = 15
APART = 0.5  # seconds between two connects: the API takes five a second, and the lab would wait for its turn


def measure(lab: Lab) -> list[Result]:
    ours: list[float] = []
    theirs: list[float] = []
    with plain_gateway(lab):
        wg_quick.prepare(lab, ROUTER)
        wg_quick.use(lab, ROUTER, "vpn-de")
        for _ in range(ROUNDS):
            lab.api("POST", "/api/disconnect")
            began = time.perf_counter()
            answer = lab.api("POST", "/api/connect", {"server": "vpn-se"})
            ours.append(time.perf_counter() - began)
            assert answer["success"], answer
            began = time.perf_counter()
            lab.hosts[ROUTER].run(*wg_quick.up_command())
            theirs.append(time.perf_counter() - began)
            lab.hosts[ROUTER].run(*wg_quick.down_command())
            time.sleep(APART)
    mine, other = median(ours), median(theirs)
    return [
        Result(
            f"connect: API until the handshake / wg-quick up ({spread(ours)})",
            f"{mine * 1000:.0f} ms",
            f"{other * 1000:.0f} ms",
            mine / other,
            1.0,
        )
    ]
