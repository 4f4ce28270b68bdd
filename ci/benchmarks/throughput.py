"""Forwarding with the full ruleset, all device policies and 16 exits against bare forwarding and masquerade.

Both paths end at the same iperf3 server on the Internet and cross the same ISP. The laptop is given the ``direct``
policy, so that what is compared is forwarding itself and not a user-space WireGuard. Rounds alternate.

The ratio depends on the load. Sender and receiver run on the same processors: with a single stream they wait for each
other, a third of two processors is idle, and the rate tells how long a packet takes; with several the processors are
busy, and it tells what a packet costs.
"""

from __future__ import annotations

import json

from ci.benchmarks.reference_gateway import CLIENT, plain_gateway
from ci.benchmarks.result import Result, median, spread
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for

ROUNDS = 11
STREAMS = (1, 2, 4)
DEVICES, EXITS = 1000, 16
AT_ONCE = 100  # operations of one request
SECONDS = 2


def measure(lab: Lab) -> list[Result]:
    exits = _fill(lab)
    answer = lab.api("PUT", f"/api/devices/{LAN_HOSTS['laptop']}/policy", {"policy": "direct", "password": PASSWORD})
    assert answer["success"], answer
    server = lab.hosts.popen("internet", ["iperf3", "-s"])
    try:
        wait_for("iperf3", lambda: lab.hosts.exec("internet", ["sh", "-c", "ss -lnt | grep -q :5201"]).returncode == 0)
        with plain_gateway(lab):
            return [_compare(lab, streams, exits) for streams in STREAMS]
    finally:
        server.terminate()


def _compare(lab: Lab, streams: int, exits: int) -> Result:
    """The rate of our gateway and of the bare one, in rounds that alternate."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS):
        pair = [("laptop", ours), (CLIENT, theirs)]
        for host, rates in pair if number % 2 else reversed(pair):
            rates.append(_rate(lab, host, streams))
    mine, other = median(ours), median(theirs)
    at_once = f"{streams} streams" if streams > 1 else "1 stream"
    return Result(
        f"forwarding, {at_once}: {DEVICES} policies, {exits} exits / bare ({spread(ours)})",
        f"{mine:.1f} Gb/s",
        f"{other:.1f} Gb/s",
        mine / other,
        0.97,
        at_least=True,
    )


def _fill(lab: Lab) -> int:
    """Give a thousand devices a policy; returns how many exits there are."""
    exits = [one["name"] for one in lab.api("GET", "/api/exits")["exits"]]  # the lab's own
    for number in range(EXITS - len(exits)):
        answer = lab.api("POST", "/api/exits", {"name": f"bench{number}"})
        assert answer["success"], answer
        exits.append(f"bench{number}")
    policies = [*(f"vpn:{name}" for name in exits), "blocked"]
    operations = [
        {
            "op": "set_device_policy",
            "mac": f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}",
            "policy": policies[number % len(policies)],
        }
        for number in range(DEVICES - 1)
    ]
    for start in range(0, len(operations), AT_ONCE):
        answer = lab.api("POST", "/api/bulk", {"operations": operations[start : start + AT_ONCE]})
        assert answer["success"], answer
    return len(exits)


def _rate(lab: Lab, host: str, streams: int) -> float:
    """The rate of ``streams`` TCP streams in gigabits a second, together."""
    command = ["iperf3", "-c", INTERNET4, "-P", str(streams), "-t", str(SECONDS), "-O", "1", "-J"]
    done = lab.hosts.exec(host, command, timeout=SECONDS + 20)
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9
