"""The sentences that answer "why?" and "what if?" (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from app.explain.causes import cause, policy_of
from app.explain.facts import Facts
from app.protocol.explanations import Verdict


def sentence(text: str) -> str:
    """``text`` as a sentence: a capital, and a full stop where it has no end."""
    return text[:1].upper() + ended(text[1:])


def ended(text: str) -> str:
    """``text`` with a full stop where it has no end; a device's name at its begin stays as it is."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def path_sentence(facts: Facts, to: str, verdict: Verdict, rule: str | None, *, supposed: bool = False) -> str:
    """What becomes of a packet to ``to``."""
    who = facts.label
    reaches = "would reach" if supposed else "reaches"
    reaches_not = "would not reach" if supposed else "does not reach"
    match verdict:
        case "tunnel":
            return ended(f"{who} {reaches} {to} through the exit {facts.exit_name}, encrypted")
        case "clear":
            return ended(f"{who} {reaches} {to} directly by the WAN, in the clear and under the WAN's own address")
        case "gateway":
            return ended(f"{who} {reaches} {to} on the gateway itself")
        case "lan":
            return ended(f"{who} {reaches} {to} within the LAN, without the gateway")
        case "blocked" | "lost":
            return ended(f"{who} {reaches_not} {to}: {cause(facts, verdict, rule)}")
        case "no_address":
            return ended(f"{who} {reaches_not} {to}: the name has no address")


def why_sentence(facts: Facts, verdict: Verdict, rule: str | None) -> str:
    """The present state of the device."""
    who, name = facts.label, facts.exit_name
    if verdict == "tunnel":
        server = f" and its server {facts.exit.server}" if facts.exit is not None and facts.exit.server else ""
        chosen = ", which it has chosen itself" if facts.decision.origin == "choice" else ""
        return ended(f"{who} uses the Internet through the exit {name}{server}, encrypted{chosen}")
    if verdict == "clear":
        return ended(f"{who} uses the Internet directly by the WAN, in the clear: {policy_of(facts)} is: direct")
    if rule == "no_route":
        return ended(f"{who} reaches the networks of its exit {name} alone, whose tunnel leads nowhere else")
    return ended(f"{who} has no Internet: {cause(facts, verdict, rule)}")


def lookup_sentence(name: str, exit_name: str, addresses: Sequence[str] | None) -> str:
    """The answer of the resolvers of an exit; None = they gave none."""
    if addresses is None:
        return f"The resolvers of the exit {exit_name} do not answer to {name}."
    if not addresses:
        return f"The resolvers of the exit {exit_name} know no address of {name} that a device may use."
    return f"{name} is {', '.join(addresses)}, as looked up through the exit {exit_name}."


def local_sentence(facts: Facts, name: str, addresses: Sequence[str], *, direct: bool, why_not: str) -> str:
    """The answer for a device whose names are not looked up through an exit."""
    if addresses:
        return f"{name} is a name of the LAN: {', '.join(addresses)}."
    if direct:
        return f"{name} is not looked up: for {facts.label} the gateway would ask the WAN's resolvers, in the clear."
    return f"{name} is not looked up: {facts.label} gets answers to the LAN's own names alone, because {why_not}."


def failover_sentence(server: str | None, provider: str | None, *, enabled: bool) -> str:
    """What becomes of an exit whose server does not answer any more."""
    if not enabled:
        return "Failover is off, so nothing gets out until the exit's own server answers again."
    if server is None:
        return "There is no other server for it, so nothing gets out until its own answers again."
    return f"The gateway would dial {server} ({provider}) in its place, and nothing gets out until that answers."


FAMILY = {4: "IPv4", 6: "IPv6"}


def family_note(facts: Facts, family: int, verdict: Verdict, rule: str | None) -> str:
    """A remark about the family that does not get out while the other does."""
    return sentence(f"{FAMILY[family]} does not get out: {cause(facts, verdict, rule)}")
