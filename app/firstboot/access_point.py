"""``python -m app firstboot access-point`` starts hostapd with the first of its configurations that the radio accepts.

A radio or a country's rules may refuse what ``gateway.toml`` requests: a width, a channel, a band. So each
configuration is tried until one works. hostapd keeps running then, and this program ends with hostapd's process id in a
file for systemd (``Type=forking``); the refused configurations are in the report.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from app.firstboot import radio
from app.firstboot.faults import Source, record
from app.lan import BRIDGE

TIMEOUT = 30.0  # seconds for one configuration, with the scan for neighbours before a wide channel
STOP_TIMEOUT = 5.0  # seconds for hostapd to stop


def main(run: Path, timeout: float = TIMEOUT) -> int:
    try:
        socket.if_nametoindex(BRIDGE)
    except OSError:
        # hostapd would create the bridge, and delete it, with the LAN on it, when it ends.
        print(f"{BRIDGE} is not there yet", file=sys.stderr)
        return os.EX_TEMPFAIL
    configs = sorted((run / radio.ACCESS_POINT).glob("*.conf"), key=lambda path: int(path.stem))
    state = run / radio.STATE
    refused: list[str] = []
    for config in configs:
        name = _name(config)
        process = subprocess.Popen(["hostapd", str(config)], stdin=subprocess.DEVNULL)
        if _sends(process, state / "control" / radio.RADIO, timeout):
            (state / "pid").write_text(f"{process.pid}\n")
            print(f"the access point sends at {name}")
            record(run, Source.ACCESS_POINT, [refusal(refused, name)] if refused else [])
            return 0
        _stop(process)
        print(f"the radio does not send at {name}", file=sys.stderr)
        refused.append(name)
    record(run, Source.ACCESS_POINT, [refusal(refused, None)])
    return os.EX_UNAVAILABLE


def refusal(refused: Sequence[str], taken: str | None) -> str:
    """The report's line about refused configurations; ``taken`` is the one in use."""
    head = f"wifi.access_point: the radio does not send at {'; nor at '.join(refused)}."
    if taken is None:
        return f"{head} There is no access point."
    return f"{head} It sends at {taken} instead."


def _name(config: Path) -> str:
    """The description that :func:`radio.hostapd` puts into the first line."""
    with config.open() as file:
        return file.readline().removeprefix("#").strip()


def _sends(process: subprocess.Popen[bytes], control: Path, timeout: float) -> bool:
    """Whether hostapd has its access point up within ``timeout`` seconds.

    Its state is queried: its exit status does not show a set-up that fails after the start, and its output must go to
    the log, also after this program has ended.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if _state(control) == "ENABLED":
            return process.poll() is None
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        return False
    return False


def _state(control: Path) -> str | None:
    """The state of hostapd, from its control interface; None where it does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(1)
        try:
            sock.bind("")  # a name in Linux's abstract namespace, for the answer
            sock.connect(str(control))
            sock.send(b"STATUS")
            lines = sock.recv(4096).decode(errors="replace").splitlines()
        except OSError:
            return None
    return next((line.removeprefix("state=") for line in lines if line.startswith("state=")), None)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
