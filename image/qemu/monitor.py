"""QEMU's monitor: one command, one answer (QMP, docs/interop/qmp-spec.rst of QEMU)."""

from __future__ import annotations

import json
import socket
from typing import Any


class MonitorError(Exception):
    """QEMU refused a command; the message is QEMU's."""


class Monitor:
    """The client end of a socket pair whose other end is QEMU's monitor in control mode."""

    def __init__(self, ours: socket.socket, timeout: float = 60) -> None:
        self._socket = ours
        self._socket.settimeout(timeout)
        self._lines = ours.makefile("r")
        self._greeted = False

    def ask(self, command: str, **arguments: object) -> Any:
        """Run ``command`` and return its result. Raises MonitorError if QEMU refuses, OSError if QEMU has ended."""
        if not self._greeted:
            self._greeted = True
            self._lines.readline()
            self.ask("qmp_capabilities")
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while line := self._lines.readline():
            said = json.loads(line)
            if "error" in said:
                raise MonitorError(f"{command}: {said['error']['desc']}")
            if "return" in said:  # everything else is an event
                return said["return"]
        raise ConnectionResetError("the machine is off")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
