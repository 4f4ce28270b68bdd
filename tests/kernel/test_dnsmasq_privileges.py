"""dnsmasq with the capabilities of its units: each instance serves, and a forwarder cannot touch firewall or routes."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import dns.message
import dns.query
import pytest
from msgspec.structs import replace

from app.model import LanSettings, Settings
from app.netd.main import random_ula
from app.network.dhcp_dns import Paths, render
from tests.kernel.namespace import inside, run
from tests.support.dhcp_client import host_name
from tests.support.dnsmasq_lan import EXIT_PORT, DnsmasqLan

pytestmark = pytest.mark.kernel

UNITS = Path(__file__).parents[2] / "overlay/usr/lib/systemd/system"
NOBODY = 65534


def privileges(unit: str) -> list[str]:
    """The command that gives a program the privileges of ``unit``."""
    text = (UNITS / unit).read_text()
    (bounding,) = re.findall(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE)
    (ambient,) = re.findall(r"^AmbientCapabilities=(.*)$", text, re.MULTILINE)
    assert bounding == ambient
    assert "\nNoNewPrivileges=yes\n" in text
    words = ",".join(("-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in ambient.split())))
    sets = (f"--inh-caps={words}", f"--ambient-caps={words}", f"--bounding-set={words}")
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", *sets]


def advertised() -> bool:
    """Whether the gateway sends router advertisements; dnsmasq sends one when it starts."""
    return "proto ra" in run("ip -6 route show dev dev0") or "fd" in run("ip -6 addr show dev dev0 scope global")


@inside
async def test_each_instance_has_just_the_privileges_that_it_needs(tmp_path):
    run("mount -t tmpfs -o mode=0777 tmpfs /mnt")
    ula = random_ula()
    settings = Settings(lan=replace(LanSettings(), ula=ula))
    lan = DnsmasqLan(tmp_path, settings)
    run(f"ip addr add {ula} dev lan0 nodad")
    run("nft add table inet vpn_gateway")
    lan.resolver("address=/good.example/93.184.216.34")
    os.mkdir("/mnt/hosts", 0o755)
    paths = Paths(leases="/mnt/leases", hosts="/mnt/hosts")
    texts = render(settings, settings.lan, "lan0", ipv6_default=True, direct=False, paths=paths)
    started = []
    try:
        for name, unit in (("lan", "vpn-gateway-dnsmasq@lan.service"), ("exit-0", "vpn-gateway-dnsmasq@.service")):
            config = Path(f"/mnt/{name}.conf")
            config.write_text(texts[name])
            config.chmod(0o644)
            program = ["dnsmasq", "--keep-in-foreground", f"--conf-file={config}", "--pid-file=", "--user=", "--group="]
            started.append(subprocess.Popen([*privileges(unit), *program]))
        for port in (53, EXIT_PORT):
            until_answered(port)
        answer = lan.device(1).lease(host_name("laptop"))
        assert answer is not None
        assert lan.addresses("laptop.lan", "A", EXIT_PORT) == [answer.address]
        assert lan.addresses("laptop.lan", "A", EXIT_PORT, tcp=True) == [answer.address]
        assert lan.addresses("good.example", "A", EXIT_PORT) == ["93.184.216.34"]
        deadline = time.monotonic() + 10
        while not advertised():
            assert time.monotonic() < deadline, "no router advertisement"
            time.sleep(0.05)
        assert all(process.poll() is None for process in started)
    finally:
        for process in started:
            process.kill()
            process.wait()
        await lan.close()
    # The forwarder reads what the Internet answers.
    attacks = ("nft delete table inet vpn_gateway", "ip rule add prio 1 iif lan0 lookup main", "ip link set lan0 down")
    forwarder = privileges("vpn-gateway-dnsmasq@.service")
    for attack in attacks:
        done = subprocess.run([*forwarder, *attack.split()], capture_output=True, check=False)
        assert done.returncode != 0, attack
    for attack in attacks:  # they would work with more
        run(attack)


def until_answered(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            dns.query.udp(dns.message.make_query("vpn-gateway.lan", "A"), "192.168.77.1", 0.5, port)
        except (dns.exception.Timeout, OSError):
            assert time.monotonic() < deadline, f"nothing answers on port {port}"
        else:
            return
