"""Bring a machine up, and know when it is."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from image.qemu.lab import GATEWAY, Lab, until
from image.qemu.machine import Machine, MachineError

BOOT_TIMEOUT = 600  # seconds; emulated, on two cores that may be busy

SSH_CONFIG = """\
Host {gateway}
  ProxyCommand ip netns exec {lan} socat - TCP:%h:%p
  IdentityFile {key}
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ConnectTimeout 60
  ServerAliveInterval 10
  ServerAliveCountMax 6
  ControlMaster auto
  ControlPersist 60
  ControlPath {key}.%C
"""


@dataclass
class SshKey:
    public: str
    config: Path  # for ssh -F

    @classmethod
    def make(cls, work: Path, lan: str) -> SshKey:
        work.mkdir(parents=True, exist_ok=True)
        key = work / "id_ed25519"
        key.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        config = work / "ssh_config"
        config.write_text(SSH_CONFIG.format(gateway=GATEWAY, key=key, lan=lan))
        return cls(key.with_suffix(".pub").read_text().strip(), config)

    def forget(self) -> None:
        """Drop the shared connection: the machine has restarted."""
        subprocess.run(["ssh", "-F", str(self.config), "-O", "exit", GATEWAY], capture_output=True, check=False)


def boot(machine: Machine, lab: Lab, timeout: float = BOOT_TIMEOUT) -> float:
    """Wait until the laptop has a lease and the API answers; returns the seconds it took."""
    start = time.monotonic()
    lab.isp_up()
    lab.inside(lab.lan, "ip", "address", "flush", "dev", "eth0", "scope", "global")

    def leased() -> bool:
        if machine.process is None or machine.process.poll() is not None:
            raise MachineError(f"the machine went off:\n{machine.tail()}")
        try:
            lab.lease(4)
        except AssertionError:
            return False
        return True

    try:
        until(leased, timeout, "a lease from the gateway")
        # 401: there is a password, and the API asks for it.
        until(lambda: lab.api("GET", "/api/status", timeout=5)[0] in {200, 401}, timeout, "the API")
    except AssertionError as error:
        raise MachineError(f"{error}; the console said last:\n{machine.tail()}") from None
    return time.monotonic() - start
