"""Bring a machine up, and know when it is."""

from __future__ import annotations

import time

from image.qemu.lab import GATEWAY, Lab, until
from image.qemu.machine import Machine, MachineError

BOOT_TIMEOUT = 240  # seconds; an emulated Cortex-A72 on two busy cores

SSH_CONFIG = f"""\
Host {GATEWAY}
  ProxyCommand ip netns exec vgi-lan socat - TCP:%h:%p
  IdentityFile {{key}}
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ControlMaster auto
  ControlPersist 60
  ControlPath ~/.ssh/vgi-%C
"""


def boot(machine: Machine, lab: Lab) -> float:
    """Wait until the laptop has its lease and the API answers; returns the seconds from power-on to the API."""
    start = time.monotonic()
    lab.isp_up()

    def answers() -> bool:
        if machine.process is None or machine.process.poll() is not None:
            raise MachineError(f"the machine went off:\n{machine.tail()}")
        return lab.inside("vgi-lan", "ip", "address", "show", "eth0").stdout.count("inet ") > 0 or _try_lease(lab)

    until(answers, BOOT_TIMEOUT, "a lease from the gateway")
    until(lambda: lab.api("GET", "/api/status", timeout=5)[0] == 200, BOOT_TIMEOUT, "the API")
    return time.monotonic() - start


def _try_lease(lab: Lab) -> bool:
    try:
        lab.lease(4)
    except AssertionError:
        return False
    return True
