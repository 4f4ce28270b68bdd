"""Mutations of a plan: each line matters, and none alone causes a leak when it is lost.

Each rule of the ruleset, each ip rule and each route is removed in turn, and the corpus sent again.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Generator, Iterator

import msgspec
import pytest

from app.network.plan import NetworkPlan
from app.network.planner import plan
from app.packet_trace import Packet, PacketOutcome, PacketTracer, nft_interpreter
from app.packet_trace.nft_model import NftVerdict, Statement
from tests.unit.network.corpus import everything, leaks
from tests.unit.network.scenarios import SCENARIOS, surroundings

# Lines that change no packet's path.
SILENT = {
    "tcp option maxseg": "changes a TCP option only: test_connections.py",
    "jump clamp": "leads to what changes a TCP option only",
    "th dport != 53 goto policy_outward": "spares most packets the look at their address",
    "ct state established th dport != 53 meta mark": "spares most packets the rules before the same one",
    "add @connections": "counts: tests/kernel/test_connections.py",
    "masquerade to :": "chooses a port: tests/kernel/test_connections.py",
}
# Where devices go out directly by default, one line alone restricts the others.
OPENS = {"default-direct": ["policy_lan: meta mark set ether saddr map @device_mark goto policy_device"]}
CHOSEN = ("connected", "policies", "exceptions", "one-arm", "one-arm-same-net", "flip", "default-direct")


def without_a_line(text: str) -> Iterator[tuple[str, str, str]]:
    """(chain, line, the text without it) for each rule; declarations stay."""
    lines = text.splitlines(keepends=True)
    chain = ""
    for n, line in enumerate(lines):
        word = line.strip()
        if word.startswith("chain "):
            chain = word.split()[1]
        elif word == "}":
            chain = ""
        elif chain and not word.startswith("type "):
            yield chain, word, "".join(lines[:n] + lines[n + 1 :])


Line = tuple[str, int]  # a chain, and the place of a rule in it


def lines_in_order(text: str) -> Iterator[tuple[Line, str, str]]:
    """(place, line, the text without it) for each rule."""
    place: Counter[str] = Counter()
    for chain, line, fewer in without_a_line(text):
        yield (chain, place[chain]), line, fewer
        place[chain] += 1


@contextlib.contextmanager
def effects(tracer: PacketTracer) -> Generator[set[Line]]:
    """The rules that did something to a packet while it lasts. Without one of the others each packet fares the same."""
    places = {id(rule): (name, n) for name, one in tracer.ruleset.chains.items() for n, rule in enumerate(one.rules)}
    found: set[Line] = set()
    run_rule = nft_interpreter.Evaluation.rule

    def watched(self: nft_interpreter.Evaluation, rule: tuple[Statement, ...]) -> NftVerdict | None:
        before = self.packet, len(self.counted), self.nat
        verdict = run_rule(self, rule)
        if verdict is not None or before != (self.packet, len(self.counted), self.nat):
            found.add(places[id(rule)])
        return verdict

    nft_interpreter.Evaluation.rule = watched
    try:
        yield found
    finally:
        nft_interpreter.Evaluation.rule = run_rule


def last_check_only(text: str) -> str:
    """The text without the rules of ``forward`` and ``output``, which leaves the check before the wire."""
    return re.sub(r"(chain (?:forward|output) \{\n\t\t.*policy )drop;\n(?:\t\t.*\n)*", r"\1accept;\n", text)


def general(line: str) -> str:
    """The line without the names and networks of its scenario."""
    line = re.sub(r'\{ "(br-lan|usb0)", "(br-lan|usb0)" \}|"(br-lan|eth0|wan)"', "LINK", line)
    return re.sub(r"fd12:3456:789a::/64, ", "", line.replace("192.168.1.", "192.168.77."))


def views(made: NetworkPlan) -> list[tuple[NetworkPlan, bool]]:
    """The plan as it is; with the rules flushed; and with the rules flushed and only the last check."""
    last = msgspec.structs.replace(made, ruleset=last_check_only(made.ruleset))
    return [(made, True), (made, False), (last, False)]


def test_each_ruleset_line_changes_some_outcome() -> None:
    """A line that changes no packet of the corpus in any scenario is either superfluous or untested."""
    seen: dict[tuple[str, str], bool] = {}
    for make in SCENARIOS.values():
        inp = make()
        made, around, packets = plan(inp), surroundings(inp, hijack=True), everything(inp)

        def send(tracer: PacketTracer, packets: list[Packet] = packets) -> Iterator[PacketOutcome]:
            return (tracer.send(p) for p in packets)

        tracers = [PacketTracer(one, around, rules=rules, ports=False) for one, rules in views(made)]
        expected: list[tuple[list[PacketOutcome], set[Line]]] = []
        for tracer in tracers:
            with effects(tracer) as effective:
                expected.append((list(send(tracer)), effective))
        for place, line, text in lines_in_order(made.ruleset):
            key = place[0], general(line)
            if seen.get(key) or any(silent in line for silent in SILENT):
                continue
            fewer = views(msgspec.structs.replace(made, ruleset=text))
            seen[key] = any(
                now != was
                for (one, rules), (before, effective) in zip(fewer, expected, strict=True)
                if place in effective
                for now, was in zip(send(PacketTracer(one, around, rules=rules, ports=False)), before, strict=True)
            )
    assert len(seen) > 100
    assert not [f"{chain}: {line}" for (chain, line), matters in seen.items() if not matters]


def sent_by_the_lan(name: str) -> list[Packet]:
    """New and old packets of the LAN's hosts; those of a shared link by the LAN's sources only."""
    inp = SCENARIOS[name]()
    local = [inp.lan.address.network, *([inp.lan.ula.network] if inp.lan.ula else [])]
    links = {link.name for link in inp.links.lan}
    return [
        p for p in everything(inp) if p.iif in links and any(n.version == p.src.version and p.src in n for n in local)
    ]


@pytest.mark.parametrize("name", CHOSEN)
def test_ruleset_without_any_one_line_leaks_nothing(name: str) -> None:
    """With the rules flushed, so that nftables is on its own."""
    inp = SCENARIOS[name]()
    made, around, packets = plan(inp), surroundings(inp, hijack=True), sent_by_the_lan(name)
    assert any(PacketTracer(made, around).send(p).kind == "sent" for p in packets)
    whole = PacketTracer(made, around, rules=False, ports=False)
    with effects(whole) as effective:
        assert not any(leaks(inp, p, whole.send(p)) for p in packets)
    open_: list[str] = []
    for (chain, n), line, text in lines_in_order(made.ruleset):
        if (chain, n) not in effective:
            continue
        tracer = PacketTracer(msgspec.structs.replace(made, ruleset=text), around, rules=False, ports=False)
        if any(leaks(inp, p, tracer.send(p)) for p in packets):
            open_.append(f"{chain}: {line}")
    assert open_ == OPENS.get(name, [])


def without_an_element(text: str) -> Iterator[tuple[str, str, str]]:
    """(set, element, the text without it), as a lost or half-done change of elements would leave it."""
    lines = text.splitlines(keepends=True)
    found = ""
    for n, line in enumerate(lines):
        if match := re.match(r"\t(?:set|map) (\w+) ", line):
            found = match[1]
        elif line.startswith("\t\t\t") and "\tchain " not in "".join(lines[:n]):
            last = not line.endswith(",\n")
            if last and lines[n - 1].strip() == "elements = {":  # the only one
                yield found, line.strip(), "".join(lines[: n - 1] + lines[n + 2 :])
            else:
                before = [*lines[: n - 1], lines[n - 1].replace(",\n", "\n")] if last else lines[:n]
                yield found, line.strip().rstrip(","), "".join(before + lines[n + 1 :])


# A device without an element of its own follows the default policy: this map is what says who is who.
DECIDES = {"device_mark"}


@pytest.mark.parametrize("name", CHOSEN)
def test_ruleset_without_any_one_element_leaks_nothing(name: str) -> None:
    inp = SCENARIOS[name]()
    made, around, packets = plan(inp), surroundings(inp, hijack=True), sent_by_the_lan(name)
    open_: set[str] = set()
    for where, _, text in without_an_element(made.ruleset):
        tracer = PacketTracer(msgspec.structs.replace(made, ruleset=text), around, rules=False, ports=False)
        if any(leaks(inp, p, tracer.send(p)) for p in packets):
            open_.add(where)
    assert open_ <= DECIDES


@pytest.mark.parametrize("name", CHOSEN)
def test_last_check_alone_stops_all_leaks(name: str) -> None:
    inp = SCENARIOS[name]()
    made, around = plan(inp), surroundings(inp, hijack=True)
    text = last_check_only(made.ruleset)
    assert "goto forward_lan" in made.ruleset
    assert "jump output_wan" in made.ruleset
    assert "goto forward_lan" not in text
    assert "jump output_wan" not in text
    tracer = PacketTracer(msgspec.structs.replace(made, ruleset=text), around, rules=False, ports=False)
    assert not [p for p in sent_by_the_lan(name) if leaks(inp, p, tracer.send(p))]


@pytest.mark.parametrize("name", CHOSEN)
def test_routing_without_any_one_rule_or_route_leaks_nothing(name: str) -> None:
    """With nftables flushed, so that routing is on its own: nothing but the LAN is reached then."""
    inp = SCENARIOS[name]()
    made, around, packets = plan(inp), surroundings(inp, hijack=True), sent_by_the_lan(name)
    lan = {link.name for link in inp.links.lan}
    local = [inp.lan.address.network, *([inp.lan.ula.network] if inp.lan.ula else [])]
    fewer = [
        *(msgspec.structs.replace(made, rules=made.rules[:n] + made.rules[n + 1 :]) for n in range(len(made.rules))),
        *(
            msgspec.structs.replace(made, routes=made.routes[:n] + made.routes[n + 1 :])
            for n in range(len(made.routes))
        ),
    ]
    for one in fewer:
        tracer = PacketTracer(one, around, nft=False, ports=False)
        for packet in packets:
            outcome = tracer.send(packet)
            if outcome.kind == "sent" and not (
                outcome.link in lan and any(n.version == packet.dst.version and packet.dst in n for n in local)
            ):
                lost = set(made.rules) - set(one.rules) or [r for r in made.routes if r not in one.routes]
                pytest.fail(f"without {lost}: {packet} left by {outcome.link}")
