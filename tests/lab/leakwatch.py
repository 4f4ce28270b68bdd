"""A capture of the WAN with three LAN hosts that try everything, around whatever a test does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType

from ci.labnet import Lab, Packet, leaks
from ci.labnet.addresses import GATEWAY_LAN4, INTERNET4, INTERNET6, INTERNET_DNS4, LAN_HOSTS, VPNS
from ci.labnet.waiting import wait_for

GATEWAY_WAN_MAC = "02:00:00:00:00:02"
TRAFFIC = Path(__file__).with_name("traffic.py")
CONTROL = b"POSITIVE-CONTROL"


class LeakWatch:
    """``with LeakWatch(lab) as watch: ...``; then ``leaks`` is what leaked, ``packets`` and ``counts`` what was seen.

    On leaving, the positive control: the gateway host itself sends a clear packet past every lock (AF_PACKET on wan0),
    and unless exactly that shows up as a leak in the same capture, the capture would not have seen one: an error.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        lookups: frozenset[str] = frozenset(),
        router: tuple[str, str] = (GATEWAY_LAN4, "fe80::ff:fe00:1"),
        wire: str = "wan",
    ) -> None:
        """``router``: the gateway's addresses, IPv4 and IPv6, that the hosts are made to send everything to.

        ``wire``: the ISP's end of the cable.
        """
        self._wire = wire
        self._lab = lab
        self._router = router
        self._lookups = lookups
        self._senders: list[subprocess.Popen[bytes]] = []
        self.packets: list[Packet] = []
        self.leaks: list[Packet] = []
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> LeakWatch:
        self._capture = self._lab.hosts.capture("isp", self._wire).start()
        for host in LAN_HOSTS:
            self._senders.append(self.send_from(host))
        return self

    def send_from(self, host: str) -> subprocess.Popen[bytes]:
        """Start the traffic on one host; returns once the first round has left."""
        # Whatever the router advertisements say: a host may send IPv6 to the gateway on its own account.
        self._lab.hosts[host].shell(
            f"ip -6 route replace default via {self._router[1]} dev eth0 metric 4096; "
            f"ip route replace default via {self._router[0]} dev eth0 metric 4096"
        )
        targets4 = [INTERNET4, INTERNET_DNS4, "192.168.1.1", *(v4 for v4, *_ in VPNS.values())]
        targets6 = [INTERNET6, "2001:db8:1::1", *(v6 for _, v6, *_ in VPNS.values())]
        argv = [
            sys.executable,
            str(TRAFFIC),
            "--host",
            host,
            "--spoof",
            "10.9.9.9",
            "--spoof",
            "192.168.1.77",
            "--spoof",
            "203.0.113.9",
        ]
        argv += [item for target in targets4 for item in ("--target4", target)]
        argv += [item for target in targets6 for item in ("--target6", target)]
        process = self._lab.hosts.popen(host, argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        assert process.stdout.readline() == b"sending\n"
        return process

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in LAN_HOSTS:
            self._lab.hosts.exec(host, ["pkill", "-f", TRAFFIC.name])
        for process in self._senders:
            process.wait(timeout=10)
        self._positive_control()
        self.packets = packets = self._capture.stop()
        if error is not None:
            return
        found = leaks(packets, GATEWAY_WAN_MAC, lookups=self._lookups)
        controls = [p for p in found if p.payload.startswith(CONTROL)]
        assert len(controls) == 1, f"the capture did not see the positive control ({len(packets)} packets)"
        self.leaks = [p for p in found if not p.payload.startswith(CONTROL)]
        sent = [p for p in packets if p.source_mac == GATEWAY_WAN_MAC]
        self.counts = Counter({"captured": len(packets), "from the gateway": len(sent), "leaked": len(self.leaks)})

    def _positive_control(self) -> None:
        """An IPv4 UDP packet in the clear, put on the wire below IP and traffic control, where no lock is asked."""
        script = f"""
import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("wan0", 0))
s.setsockopt(263, 20, 1) # SOL_PACKET, PACKET_QDISC_BYPASS
payload = {CONTROL!r}
udp = struct.pack(">HHHH", 4242, 4242, 8 + len(payload), 0) + payload
ends = socket.inet_aton("192.168.1.99") + socket.inet_aton("{INTERNET4}")
ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + ends
total = sum(struct.unpack(">10H", ip)) # RFC 1071; a bridge on the way drops a header whose checksum is wrong
total = (total & 0xFFFF) + (total >> 16)
ip = ip[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + ip[12:]
s.send(bytes.fromhex("ffffffffffff") + bytes.fromhex("{GATEWAY_WAN_MAC.replace(":", "")}") + b"\\x08\\x00" + ip + udp)
"""
        self._lab.hosts["gateway"].run(sys.executable, "-c", script)
        wait_for("the positive control in the capture", lambda: CONTROL in tail(self._capture.path))


def dump(found: list[Packet]) -> str:
    return json.dumps([str(p) for p in found[:10]], indent=1)


def tail(path: Path) -> bytes:
    """The last megabyte of a file that is being written."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 20)))
        return file.read()
