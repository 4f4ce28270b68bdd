"""Forwarding with the full ruleset and 250 device policies against bare forwarding and masquerade.

Both paths end at the same iperf3 server on the Internet and cross the same ISP. The laptop is given the ``direct``
policy, so that what is compared is forwarding itself and not a user-space WireGuard. Rounds alternate.
"""

from __future__ import annotations

import json

from ci.benchmarks.reference_gateway import CLIENT, plain_gateway
from ci.benchmarks.result import Result, median
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for

ROUNDS = 7
SECONDS = 2


def measure(lab: Lab) -> list[Result]:
    for number in range(249):
        policy = ("vpn", "blocked", "vpn:second")[number % 3]
        mac = f"02:00:00:01:00:{number:02x}"
        answer = lab.api("PUT", f"/api/devices/{mac}/policy", {"policy": policy})
        assert answer["success"], answer
    answer = lab.api("PUT", f"/api/devices/{LAN_HOSTS['laptop']}/policy", {"policy": "direct", "password": PASSWORD})
    assert answer["success"], answer
    server = lab.hosts.popen("internet", ["iperf3", "-s"])
    try:
        wait_for("iperf3", lambda: lab.hosts.exec("internet", ["sh", "-c", "ss -lnt | grep -q :5201"]).returncode == 0)
        with plain_gateway(lab):
            ours: list[float] = []
            theirs: list[float] = []
            for number in range(ROUNDS):
                pair = [("laptop", ours), (CLIENT, theirs)]
                for host, rates in pair if number % 2 else reversed(pair):
                    rates.append(_rate(lab, host))
    finally:
        server.terminate()
    mine, other = median(ours), median(theirs)
    return [
        Result(
            "forwarding: full ruleset, 250 policies / bare + masquerade",
            f"{mine:.1f} Gb/s",
            f"{other:.1f} Gb/s",
            mine / other,
            0.97,
            at_least=True,
        )
    ]


def _rate(lab: Lab, host: str) -> float:
    """The rate of one TCP stream in gigabits a second."""
    done = lab.hosts.exec(host, ["iperf3", "-c", INTERNET4, "-t", str(SECONDS), "-O", "1", "-J"], timeout=SECONDS + 20)
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9
