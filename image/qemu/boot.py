"""Boot a machine and detect when it is up."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from image.qemu.lab import GATEWAY, Lab, until
from image.qemu.machine import Machine, MachineError

BOOT_TIMEOUT = 600  # seconds; emulated, on two cores that may be busy

LAPTOP = "192.168.77.2/24"  # of the LAN, outside the range that DHCP gives from

SSH_CONFIG = """\
Host {gateway}
  ProxyCommand ip netns exec {lan} socat - TCP:%h:%p
  IdentityFile {key}
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ConnectTimeout 300
  ServerAliveInterval 10
  ServerAliveCountMax 6
  ControlMaster auto
  ControlPersist 60
  ControlPath {sockets}/%C
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
        # Not beside the key: a socket's path has 107 bytes at the most (unix(7)), and a clone may lie deep.
        sockets = tempfile.mkdtemp(prefix="vpngw-")
        atexit.register(shutil.rmtree, sockets, ignore_errors=True)
        config.write_text(SSH_CONFIG.format(gateway=GATEWAY, key=key, lan=lan, sockets=sockets))
        return cls(key.with_suffix(".pub").read_text().strip(), config)

    def wait(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until an SSH login succeeds: SSH comes up some time after the API."""

        def in_() -> bool:
            done = subprocess.run(
                ["ssh", "-F", str(self.config), f"root@{GATEWAY}", "true"], capture_output=True, check=False
            )
            return done.returncode == 0

        until(in_, timeout, "SSH to the gateway")

    def forget(self) -> None:
        """Drop the shared connection: the machine has restarted."""
        subprocess.run(["ssh", "-F", str(self.config), "-O", "exit", GATEWAY], capture_output=True, check=False)


@dataclass(frozen=True)
class Started:
    """Seconds from power-on, in the order of waiting."""

    api: float
    lease: float


def boot(machine: Machine, lab: Lab, timeout: float = BOOT_TIMEOUT) -> Started:
    """Wait until the API answers the laptop and the laptop has a lease; returns the seconds each took.

    The laptop queries the API from a static address, so that neither has to wait for the other.
    """
    start = time.monotonic()
    lab.isp_up()
    lab.inside(lab.lan, "ip", "address", "flush", "dev", "eth0", "scope", "global")
    lab.inside(lab.lan, "ip", "address", "add", LAPTOP, "dev", "eth0")

    def on() -> None:
        if machine.process is None or machine.process.poll() is not None:
            raise MachineError(f"the machine went off:\n{machine.tail()}")

    def answers() -> bool:
        on()
        url = f"http://{GATEWAY}:5000/api/status"
        # The port is open before the web server behind it is ready; a question that waits is answered then.
        patience = ("--connect-timeout", "1", "--max-time", "20")
        status = ("-s", "-o", "/dev/null", "-w", "%{http_code}")
        # 401: there is a password, and the API asks for it.
        return lab.inside(lab.lan, "curl", *status, *patience, url, check=False).stdout in {"200", "401"}

    def leased() -> bool:
        on()
        try:
            lab.lease(4)
        except AssertionError:
            return False
        return True

    try:
        until(answers, timeout, "the API")
        api = time.monotonic() - start
        until(leased, timeout, "a lease from the gateway")
    except AssertionError as error:
        (machine.work / "stuck.txt").write_text(machine.what_hangs())
        raise MachineError(
            f"{error} (more in {machine.work.name}/stuck.txt); the console said last:\n{machine.tail()}"
        ) from None
    return Started(api, time.monotonic() - start)
