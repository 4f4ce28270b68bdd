"""The names of the LAN where one of a server's two resolvers is dead: whichever it is, one question is lost at most."""

from __future__ import annotations

import sys

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import GATEWAY_LAN4, INTERNET4, VPNS
from ci.labnet.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

ALIVE, DEAD = f"{VPNS['vpn-se'][2]}.1", f"{VPNS['vpn-se'][2]}.99"
QUESTIONS = 40
# glibc's resolver, which has one name server and asks it again after 5 seconds.
GLIBC = """
import socket, sys
found = 0
for name in sys.argv[1:]:
    try:
        found += bool(socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM))
    except OSError:
        pass
print(found)
"""


@pytest.fixture(scope="module", autouse=True)
def dead_resolver(lab: Lab) -> None:
    """An address inside the tunnel whose packets vanish, as those of a router that was left in a file."""
    server = lab.hosts["vpn-se"]
    server.run("ip", "addr", "add", f"{DEAD}/32", "dev", "lo")
    chain = f"type filter hook input priority 0\n ip daddr {DEAD} drop"
    rules = f"table inet silent {{\n chain c {{\n {chain}\n }}\n}}\n"
    server.run("nft", "-f", "-", input=rules, stdin=None)


def answered(lab: Lab, name: str, label: str, patience: int = 2) -> int:
    """How many of 40 names were found, each asked for once and within ``patience`` seconds; glibc has five."""
    asked = [f"{label}{number}.{name}.lab" for number in range(QUESTIONS)]
    script = f"for name in {' '.join(asked)}; do dig +short +tries=1 +time={patience} @{GATEWAY_LAN4} $name; done"
    found = lab.hosts.exec("laptop", ["sh", "-c", script], 120).stdout.split().count(INTERNET4)
    print(f"{label}: {found} of {QUESTIONS} found")
    return found


@pytest.mark.parametrize("order", [(ALIVE, DEAD), (DEAD, ALIVE)], ids=["the second is dead", "the first is dead"])
def test_dead_resolver_costs_one_question_at_most(lab: Lab, order: tuple[str, str]) -> None:
    name = f"two-{order.index(DEAD)}"
    pair = lab.vpn.keys("vpn-se")
    body = {
        "name": name,
        "endpoint": f"{VPNS['vpn-se'][0]}:51820",
        "public_key": pair["public_key"],
        "private_key": pair["client_private_key"],
        "address": f"{VPNS['vpn-se'][2]}.2/32",
        "dns": ",".join(order),
        "allowed_ips": "0.0.0.0/0",
    }
    assert lab.api("POST", "/api/custom/add", body)["success"]
    lab.api("POST", "/api/disconnect")
    assert lab.api("POST", "/api/connect", {"server": name})["success"], lab.gateway.logs()
    assert answered(lab, name, "at-once") >= QUESTIONS - 1, "the dead one costs one time-out"
    wait_for("the order", lambda: lab.api("GET", "/api/status")["exits"][0]["resolvers"][0] == ALIVE)
    assert answered(lab, name, "then", patience=4) == QUESTIONS, lab.gateway.logs()
    names = [f"glibc{number}.{name}.lab" for number in range(QUESTIONS // 2)]
    found = lab.hosts.exec("laptop", [sys.executable, "-c", GLIBC, *names], 240)
    assert found.stdout.strip() == str(len(names)), found.stderr
