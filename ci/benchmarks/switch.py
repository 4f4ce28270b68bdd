"""Interruption of a LAN host by a switch of server: the gap in a 1 kHz stream of UDP echoes, here and with wg-quick."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ci.benchmarks import wg_quick
from ci.benchmarks.reference_gateway import CLIENT, ROUTER, plain_gateway
from ci.benchmarks.result import Result, percentile, spread
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4

PROBE = Path(__file__).with_name("probe.py")
SWITCHES = 20
SWITCHES_BY_HAND = 5


def measure(lab: Lab) -> list[Result]:
    """The gap of a switch is the longest time without an answer, less the probe's interval."""
    lab.api("POST", "/api/connect", {"server": "vpn-se"})
    idle = [
        longest_silence(lab, "laptop", lambda: time.sleep(0.3)) for _ in range(SWITCHES)
    ]  # the baseline of the machine itself
    ours: list[float] = []
    for number in range(SWITCHES):
        server = ("vpn-de", "vpn-se")[number % 2]
        ours.append(
            longest_silence(lab, "laptop", lambda server=server: lab.api("POST", "/api/connect", {"server": server}))
        )
    theirs: list[float] = []
    with plain_gateway(lab):
        wg_quick.prepare(lab, ROUTER)
        wg_quick.use(lab, ROUTER, "vpn-se")
        lab.api("POST", "/api/disconnect")  # both use the same keys, and a server answers the last sender
        lab.hosts[ROUTER].run(*wg_quick.up_command())
        for number in range(SWITCHES_BY_HAND):
            server = ("vpn-de", "vpn-se")[number % 2]
            theirs.append(longest_silence(lab, CLIENT, lambda server=server: _by_hand(lab, server)))
        lab.hosts[ROUTER].run(*wg_quick.down_command())
    mine, other = percentile(ours, 0.99), percentile(theirs, 0.99)
    return [
        Result(
            f"switch: gap, p99 less p99 of pauses without any switch ({spread(ours)})",
            f"{mine:.0f} ms",
            f"{percentile(idle, 0.99):.0f} ms",
            mine - percentile(idle, 0.99),
            5,
            " ms",
        ),
        Result("switch: gap, ratio to wg-quick down && up", f"{mine:.0f} ms", f"{other:.0f} ms", mine / other, 1.0),
    ]


def _by_hand(lab: Lab, server: str) -> None:
    lab.hosts[ROUTER].run(*wg_quick.down_command())
    wg_quick.use(lab, ROUTER, server)
    lab.hosts[ROUTER].run(*wg_quick.up_command())


def longest_silence(lab: Lab, host: str, act: Callable[[], object]) -> float:
    """The longest time in ms for which ``host`` got no answer while ``act`` ran."""
    process = lab.hosts.popen(
        host, [sys.executable, str(PROBE), INTERNET4], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"running\n"
    act()
    process.stdin.close()
    return float(process.stdout.read())
