"""The ways out, and who may take which: a watch of all of them at once, and the two states that faults are tried in."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Mapping
from types import TracebackType

from ci.labnet import Lab, Packet
from ci.labnet.addresses import INTERNET4, LAN_HOSTS, VPNS, WAN4_NETWORKS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import GATEWAY_WAN_MAC, LeakWatch

DIRECT = "direct"
BERLIN = "berlin"  # the exit that the phone has to itself

# A DSCP for each host (RFC 2474), which stays with its packets through NAT and inside the tunnel.
TAGS = {"laptop": 8, "phone": 16, "tv": 24}
TAG = "table inet tag {{ chain out {{ type filter hook output priority 0; ip dscp set {0}; ip6 dscp set {0}; }}; }}"

# What the ISP's DHCP gives, and the prefixes that are announced on the WAN, by the rogue router too.
WAN_SOURCE = re.compile(
    "|".join(rf"{re.escape(network)}\.1[0-5]\d" for network in WAN4_NETWORKS) + "|2001:db8:(1|bad):.*"
)
TUNNEL_ENDS = {end for _, _, v4, v6, _ in VPNS.values() for end in (f"{v4}.2", f"{v6}::2")}


def tag_hosts(lab: Lab) -> None:
    for host, tag in TAGS.items():
        lab.hosts[host].run(
            "nft", "-f", "-", input=f"table inet tag\ndelete table inet tag\n{TAG.format(tag)}", stdin=None
        )


def sender(packet: Packet) -> str | None:
    """The LAN host that sent the packet, or for which the gateway's resolver asks; None = nobody's, or unknown."""
    for host, tag in TAGS.items():
        if packet.dscp == tag or (b"leak" + bytes((len(host),)) + host.encode()) in packet.payload:
            return host
    return None


class WayWatch(LeakWatch):
    """A LeakWatch that also captures at both VPN servers; ``leaks`` are also packets at another's way out.

    ``ways``: the places where each host leaves, of ``vpn-se``, ``vpn-de`` and ``direct``. The control of each is that
    the host was seen there; ``seen`` has the packets by host and place. ``may``: a host and a place where it may leave
    too. The hosts must be tagged.
    """

    def __init__(self, lab: Lab, ways: Mapping[str, Collection[str]], may: Collection[tuple[str, str]] = ()) -> None:
        resolvers = frozenset(f"{network}.1" for network in WAN4_NETWORKS)
        super().__init__(lab, lookups=resolvers if any(DIRECT in places for places in ways.values()) else frozenset())
        self._due = {(host, place) for host, places in ways.items() for place in places}
        self._allowed = self._due | set(may)
        self._exits = {name: lab.hosts.capture(name, "wg0", lab.directory / f"way-{name}.pcap") for name in VPNS}
        self.seen: dict[tuple[str, str], list[Packet]] = {}

    def __enter__(self) -> WayWatch:
        for capture in self._exits.values():
            capture.start()
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        at_exits = {name: capture.stop(exact=error is None) for name, capture in self._exits.items()}
        if error is not None:
            return
        nobodys = [p for p in self.leaks if sender(p) is None]
        in_the_clear = [p for p in self.packets if p.source_mac == GATEWAY_WAN_MAC]
        self.seen = by_sender(DIRECT, in_the_clear)
        for name, packets in at_exits.items():
            self.seen |= by_sender(name, [p for p in packets if p.destination not in TUNNEL_ENDS])
        strays = [p for way, found in self.seen.items() if way not in self._allowed for p in found]
        unmasked = [p for p in in_the_clear if sender(p) is not None and not WAN_SOURCE.fullmatch(p.source)]
        self.leaks = [*nobodys, *strays, *unmasked]
        self.counts = Counter({**self.counts, "leaked": len(self.leaks)})
        self.counts |= Counter({f"{host} {place}": len(found) for (host, place), found in self.seen.items()})
        missed = self._due - self.seen.keys()
        assert not missed, f"the captures have not seen who should be there: {missed}"


def by_sender(place: str, packets: list[Packet]) -> dict[tuple[str, str], list[Packet]]:
    found: dict[tuple[str, str], list[Packet]] = {}
    for packet in packets:
        if (host := sender(packet)) is not None:
            found.setdefault((host, place), []).append(packet)
    return found


def ask(lab: Lab, method: str, path: str, body: object = None) -> dict[str, object]:
    answer = lab.api(method, path, body)
    assert answer.get("success", True), f"{method} {path}: {answer}\n{lab.gateway.logs()}"
    return answer


def connect(lab: Lab, server: str, exit_name: str = "default") -> None:
    ask(lab, "POST", "/api/connect", {"server": server, "exit": exit_name})


def policy(lab: Lab, host: str, text: str) -> None:
    ask(lab, "PUT", f"/api/devices/{LAN_HOSTS[host]}/policy", {"policy": text, "password": PASSWORD})


def seen_as(lab: Lab, host: str, timeout: float = 2) -> str:
    """The address that the Internet sees of ``host``; "" where it gets no answer in ``timeout`` seconds."""
    return lab.hosts.http(host, f"http://{INTERNET4}/", timeout=timeout, check=False)


def exit_address(lab: Lab, host: str) -> str:
    """The same of a host that is to have an answer, for which a busy machine gets the time that it needs."""
    return seen_as(lab, host, 10)


class OneExit:
    """All devices leave by one exit."""

    name = "one exit"
    ways: Mapping[str, Collection[str]] = dict.fromkeys(LAN_HOSTS, ("vpn-se",))

    def begin(self, lab: Lab) -> None:
        """Bring the gateway into this state."""
        tag_hosts(lab)

    def connect(self, lab: Lab) -> None:
        """Have every exit connected to its own server."""
        connect(lab, "vpn-se")

    def watch(self, lab: Lab) -> LeakWatch:
        return LeakWatch(lab)

    def switching(self, lab: Lab) -> LeakWatch:
        """A watch of a time in which ``default`` may use both servers."""
        return LeakWatch(lab)

    def often(self, times: int) -> int:
        """How often to repeat what has no end of its own."""
        return times

    def wish(self, rng: random.Random) -> tuple[str, object]:
        """Connect, switch or disconnect, whatever comes: a path of the API and what to send there."""
        server = rng.choice(["vpn-se", "vpn-de", "vpn-se", "vpn-de", None])
        return ("/api/connect", {"server": server}) if server else ("/api/disconnect", None)

    def nobody_else_moved(self, lab: Lab) -> None:
        """Those who have nothing to do with the exit ``default`` leave as ever."""

    def settled(self, lab: Lab, timeout: float = 40.0) -> None:
        """Wait until everybody leaves by their own way."""
        wait_for("the tunnel to be up again", lambda: seen_as(lab, "laptop", 1), timeout)


class ThreeWays(OneExit):
    """The laptop leaves by vpn-se, the phone by an exit of its own, at vpn-de, the TV by the WAN itself."""

    name = "three ways"
    ways: Mapping[str, Collection[str]] = {"laptop": ("vpn-se",), "phone": ("vpn-de",), "tv": (DIRECT,)}

    def begin(self, lab: Lab) -> None:
        super().begin(lab)
        connect(lab, "vpn-se")
        ask(lab, "POST", "/api/exits", {"name": BERLIN, "target": "vpn-de", "auto_connect": False})
        policy(lab, "phone", f"vpn:{BERLIN}")
        policy(lab, "tv", "direct")

    def connect(self, lab: Lab) -> None:
        status = {one["name"]: one["status"] for one in lab.api("GET", "/api/exits")["exits"]}
        if status["default"]["server"] == "vpn-de":
            ask(lab, "POST", "/api/disconnect")
        connect(lab, "vpn-se")
        connect(lab, "vpn-de", BERLIN)

    def watch(self, lab: Lab) -> LeakWatch:
        return WayWatch(lab, self.ways)

    def switching(self, lab: Lab) -> LeakWatch:
        """The phone's exit gives its server away, so that there is one to switch to; the phone is blocked."""
        ask(lab, "POST", "/api/disconnect", {"exit": BERLIN})
        return WayWatch(lab, {**self.ways, "phone": ()}, may=[("laptop", "vpn-de")])

    def often(self, times: int) -> int:
        return max(1, times // 4)

    def wish(self, rng: random.Random) -> tuple[str, object]:
        exit_name, server = rng.choice([("default", "vpn-se"), (BERLIN, "vpn-de")])
        if rng.random() < 0.5:
            return "/api/connect", {"server": server, "exit": exit_name}
        return "/api/disconnect", {"exit": exit_name}

    def nobody_else_moved(self, lab: Lab) -> None:
        assert exit_address(lab, "phone") == VPNS["vpn-de"][0]
        assert WAN_SOURCE.fullmatch(exit_address(lab, "tv"))

    def settled(self, lab: Lab, timeout: float = 40.0) -> None:
        super().settled(lab, timeout)
        wait_for("the phone to leave at vpn-de", lambda: seen_as(lab, "phone", 1) == VPNS["vpn-de"][0], timeout)
        wait_for("the TV to leave by the WAN", lambda: WAN_SOURCE.fullmatch(seen_as(lab, "tv", 1)), timeout)


STATES = (OneExit(), ThreeWays())
