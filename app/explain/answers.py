"""The answers to "why?" and "what if?": packets are carried, and their ends put into words (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from app.addresses import Address, Family
from app.explain.carrier import ANYWHERE, DIRECT_RESOLVER, DROP, LAN_RESOLVER, Carried, Carrier
from app.explain.causes import cause, next_step
from app.explain.facts import Facts
from app.explain.sentences import (
    family_note,
    local_sentence,
    lookup_sentence,
    path_sentence,
    sentence,
    why_sentence,
)
from app.model import DEFAULT_EXIT, DirectPolicy
from app.protocol.explanations import Explanation, NameAnswer, Path, TransportProtocol, Verdict, Why

OUT = ("tunnel", "clear")
WORKS = (*OUT, "gateway", "lan")
NO_LAN = "the gateway has no port for the LAN, so no device can reach it"


class Ask(Struct, frozen=True):
    """A packet to ask about; ``own`` are the device's addresses by family, as far as they are known."""

    own: Mapping[Family, Address]
    protocol: TransportProtocol = "tcp"
    port: int = 443


def why(
    facts: Facts, carrier: Carrier, ask: Ask, *, drops: Mapping[str, int], changed: float | None, notes: Sequence[str]
) -> Why:
    """The present state of the device; ``changed`` is the time at which its policy was last seen to change."""
    ends: dict[Family, Carried] = {f: carrier.carry(facts.mac, ask.own.get(f), ANYWHERE[f]) for f in carrier.families}
    decisive = decisive_family(ends)
    end = ends.get(decisive, Carried("blocked"))
    others = [family_note(facts, f, e.verdict, e.rule) for f, e in ends.items() if f != decisive and _differs(e, end)]
    blocked = end.verdict not in OUT and end.rule != "no_route"
    limited = end.rule == "no_route"
    return Why(
        mac=facts.mac,
        name=facts.name,
        state="blocked" if blocked else "direct" if isinstance(facts.decision.policy, DirectPolicy) else "vpn",
        policy=facts.decision.policy,
        origin=facts.decision.origin,
        exit=facts.exit_name,
        reason=_reason(facts, end) if blocked else None,
        rule=end.rule,
        counter=end.counter,
        packets=drops.get(end.counter.removeprefix(DROP), 0) if end.counter else None,
        since=_since(facts, end, changed),
        until=facts.decision.until,
        sentence=why_sentence(facts, end.verdict, end.rule) if ends else sentence(NO_LAN),
        next_step=sentence(next_step(facts, end.verdict, end.rule)) if (blocked or limited) and ends else None,
        paths=tuple(_path(facts, f, None, e) for f, e in ends.items()),
        notes=(*others, *notes),
    )


def decisive_family(ends: Mapping[Family, Carried]) -> Family:
    """The family that the answer is about: IPv4, unless IPv6 alone gets out."""
    six, four = ends.get(6), ends.get(4)
    return 6 if six is not None and six.verdict in OUT and (four is None or four.verdict not in OUT) else 4


def resolver(carrier: Carrier, facts: Facts, ask: Ask) -> int | None:
    """The port of the resolver to ask for the device; None = the name must not be looked up.

    The resolver of the direct devices asks in the clear, so the one that knows only the LAN's names is asked instead.
    So it is where the tunnel would not carry the question.
    """
    port = carrier.resolver_port(facts.mac, ask.own.get(4))
    if port is None:
        return None
    works = any(carrier.carry(facts.mac, ask.own.get(f), ANYWHERE[f]).verdict != "lost" for f in carrier.families)
    return port if port != DIRECT_RESOLVER and works else LAN_RESOLVER


class Looked(Struct, frozen=True):
    """The answer to a name, by the resolver at ``port``; ``addresses`` None = no answer."""

    name: str
    port: int | None
    addresses: tuple[Address, ...] | None


def explanation(
    facts: Facts,
    carrier: Carrier,
    ask: Ask,
    destination: Address | Looked,
    *,
    supposed: bool,
    notes: Sequence[str],
) -> Explanation:
    """What becomes of the device's packets to an address, or to the addresses of a name."""
    looked = destination if isinstance(destination, Looked) else None
    targets: list[tuple[Family, Address, str | None]]
    if looked is None:
        assert not isinstance(destination, Looked)
        targets = [(_family(destination), destination, str(destination))]
    elif looked.addresses:
        targets = [(_family(a), a, str(a)) for a in looked.addresses]
    else:
        targets = [(f, ANYWHERE[f], None) for f in carrier.families]
    ends: list[tuple[Family, str | None, Carried]] = [
        (f, text, carrier.carry(facts.mac, ask.own.get(f), to, ask.protocol, ask.port))
        for f, to, text in targets
        if f in carrier.families
    ]
    paths = tuple(_path(facts, f, text, end, looked and looked.name, supposed=supposed) for f, text, end in ends)
    lookup = None if looked is None else _lookup(facts, carrier, ask, looked)
    chosen = next((p for p in paths if p.verdict in WORKS), paths[0] if paths else None)
    verdict: Verdict = chosen.verdict if chosen is not None else "blocked"
    if lookup is not None and lookup.exit is not None and not lookup.addresses:
        verdict = "no_address"
    return Explanation(
        mac=facts.mac,
        policy=facts.decision.policy,
        origin=facts.decision.origin,
        verdict=verdict,
        sentence=_whole(facts, chosen, lookup, verdict),
        next_step=_step(facts, chosen, verdict),
        lookup=lookup,
        paths=paths,
        notes=tuple(notes),
        failover=facts.failover,
    )


# --- Parts -----------------------------------------------------------------------------------------------------------


def _family(address: Address) -> Family:
    return 6 if address.version == 6 else 4


def _differs(end: Carried, other: Carried) -> bool:
    return end.verdict not in OUT and (end.verdict, end.rule) != (other.verdict, other.rule)


def _path(
    facts: Facts, family: Family, address: str | None, end: Carried, name: str | None = None, *, supposed: bool = False
) -> Path:
    to = "the Internet" if address is None else address if name is None else f"{name} ({address})"
    if address is None and family == 6:
        to = "the Internet over IPv6"
    return Path(
        family=family,
        address=address,
        verdict=end.verdict,
        exit=end.exit,
        interface=end.interface,
        source=str(end.source) if end.source is not None else None,
        rule=end.rule,
        counter=end.counter,
        sentence=path_sentence(facts, to, end.verdict, end.rule, supposed=supposed),
    )


def _reason(facts: Facts, end: Carried) -> str | None:
    if end.verdict == "lost" or (end.rule == "blocked" and facts.exit_name is None and not facts.wan):
        return "wan_down"
    if end.rule == "blocked" and facts.exit is not None and facts.exit.reason is not None:
        return facts.exit.reason
    return end.rule or end.verdict


def _since(facts: Facts, end: Carried, changed: float | None) -> float | None:
    """The later of the time at which the policy came into force and, where the exit decides, that of its state."""
    policy = facts.decision.since or changed
    if facts.exit is None or end.rule in {"device_blocked", "waiting"}:
        return policy
    return max((t for t in (policy, facts.exit.since) if t is not None), default=None)


def _lookup(facts: Facts, carrier: Carrier, ask: Ask, looked: Looked) -> NameAnswer:
    found = looked.addresses or ()
    texts = tuple(map(str, found))
    if found and all(carrier.is_here(a) for a in found):
        return NameAnswer(looked.name, texts, None, local_sentence(facts, looked.name, texts, direct=False, why_not=""))
    if not carrier.asks_outside(looked.port):
        end = carrier.carry(facts.mac, ask.own.get(4), ANYWHERE[4])
        direct = end.verdict == "clear"
        why_not = cause(facts, end.verdict, end.rule)
        return NameAnswer(
            looked.name, texts, None, local_sentence(facts, looked.name, texts, direct=direct, why_not=why_not)
        )
    exit_name = facts.exit_name or DEFAULT_EXIT
    words = lookup_sentence(looked.name, exit_name, None if looked.addresses is None else texts)
    return NameAnswer(looked.name, texts, exit_name, words)


def _whole(facts: Facts, chosen: Path | None, lookup: NameAnswer | None, verdict: Verdict) -> str:
    if chosen is None:
        return sentence(NO_LAN)
    if lookup is not None and verdict == "no_address":
        return lookup.sentence
    found = [lookup.sentence] if lookup is not None and not lookup.addresses else []
    then = [facts.failover.sentence] if facts.failover is not None and chosen.rule == "blocked" else []
    return " ".join((*found, chosen.sentence, *then))


def _step(facts: Facts, chosen: Path | None, verdict: Verdict) -> str | None:
    if verdict == "no_address":
        return "Check the spelling of the name, or ask for its address instead."
    if chosen is None or verdict in WORKS:
        return None
    return sentence(next_step(facts, chosen.verdict, chosen.rule))
