"""Why a packet does not get out, as a clause for people, and what to do about it (pure)."""

from __future__ import annotations

from app.explain.facts import Facts
from app.model import DEFAULT_EXIT
from app.network.ruleset.refusals import REASONS
from app.protocol.explanations import Verdict
from app.protocol.status import ExitState

CANARY_LEAK = "canary_leak"  # the reason of all exits while the canary has shut them
_CHECK_CABLE = "check the cable between the gateway and the router"
_REPORT = "this should not happen: send the support file with this answer (vpn-gateway support)"


def cause(facts: Facts, verdict: Verdict, rule: str | None) -> str:
    """The clause after "because"; it begins in lower case and has no full stop."""
    name = facts.exit_name
    if verdict == "lost":
        if name is None:
            return _wan(facts)
        return f"the tunnel of its exit {name} has no way out: {_wan(facts)}"
    match rule:
        case "waiting":
            return "it waits until an admin admits it"
        case "device_blocked":
            return _policy(facts)
        case "blocked":
            return _exit(facts) if name is not None else _wan(facts)
        case "ipv6":
            return "the WAN has no IPv6" if name is None else f"its exit {name} carries no IPv6"
        case "no_route":
            return f"the tunnel of its exit {name} leads to certain networks only, and not there"
        case "dns":
            return "names are looked up by the gateway alone"
        case None | "no_way":
            return "no route leads there"
        case "port_filter":
            return "the filter on the WAN's port stops it"
        case other:
            known = REASONS.get(other)
            return f"the rule {other} stops it: {known}" if known else f"the rule {other} stops it"


def next_step(facts: Facts, verdict: Verdict, rule: str | None) -> str:
    """What to do about it, as a sentence without capital and full stop."""
    name = facts.exit_name
    if verdict == "lost":
        return facts.wan_message or _CHECK_CABLE
    match rule:
        case "waiting":
            return f"admit it: vpn-gateway admit {facts.mac}"
        case "device_blocked":
            return _policy_step(facts)
        case "blocked":
            return _exit_step(facts) if name is not None else facts.wan_message or _CHECK_CABLE
        case "ipv6":
            instead = "nothing: programs use IPv4 instead"
            return instead if name is None else f"{instead}; with a server that carries IPv6 this works too"
        case "no_route":
            return "give it an exit whose tunnel leads to the whole Internet"
        case "dns":
            return "set the device's DNS to automatic, so that it asks the gateway"
        case _:
            return _REPORT


# --- The policy ------------------------------------------------------------------------------------------------------


def policy_of(facts: Facts) -> str:
    """Whose policy is in force, as the subject of a sentence."""
    decision = facts.decision
    of_group = f"its group {decision.group}" if decision.group else "its group"
    match decision.origin:
        case "waiting":
            return "the policy of a device that waits"
        case "exception":
            return f"an exception ({decision.reason})" if decision.reason else "an exception"
        case "schedule":
            return "its schedule"
        case "group_schedule":
            return f"the schedule of {of_group}"
        case "choice":
            return "its own choice"
        case "own":
            return "its policy"
        case "group":
            return f"the policy of {of_group}"
        case "default":
            return "the policy of all devices without one of their own"


def _policy(facts: Facts) -> str:
    if facts.decision.origin == "waiting":
        return "it waits until an admin admits it"
    if facts.exit_name is not None:
        return f"its exit {facts.exit_name} does not exist"
    return f"{policy_of(facts)} is: blocked"


def _policy_step(facts: Facts) -> str:
    back = f"vpn-gateway devices set {facts.mac} vpn"
    if facts.exit_name is not None:
        return f"give it an exit that exists: {back}"
    match facts.decision.origin:
        case "waiting":
            return f"admit it: vpn-gateway admit {facts.mac}"
        case "exception":
            return "wait: it ends by itself; an admin can end it now (vpn-gateway exceptions)"
        case "schedule" | "group_schedule":
            return f"wait: it ends by itself; an admin can make an exception (vpn-gateway except {facts.mac} vpn)"
        case "group":
            return f"change the policy of the group, or give the device one of its own: {back}"
        case "default":
            return f"give the device a policy of its own: {back}"
        case "own" | "choice":
            return f"give it the VPN again: {back}"


# --- The exit --------------------------------------------------------------------------------------------------------


def _exit(facts: Facts) -> str:
    name, status = facts.exit_name, facts.exit
    if facts.supposed_down:
        return f"its exit {name} would be down"
    if status is None:
        return f"its exit {name} does not exist"
    server = f" to {status.server}" if status.server else ""
    match status.state:
        case ExitState.DISCONNECTED:
            return f"its exit {name} is not connected"
        case ExitState.CONNECTING:
            return f"its exit {name} is still connecting{server}"
        case ExitState.DISCONNECTING:
            return f"its exit {name} is being disconnected"
        case ExitState.BLOCKED if status.reason == CANARY_LEAK:
            return "all exits are shut, since a packet of the gateway's own probes has left in the clear"
        case ExitState.BLOCKED:
            return f"its exit {name} cannot connect{server} ({status.reason or 'unknown'})"
        case ExitState.CONNECTED:
            return f"its exit {name} is changing"


def _exit_step(facts: Facts) -> str:
    status = facts.exit
    option = "" if facts.exit_name == DEFAULT_EXIT else f" --exit {facts.exit_name}"
    connect = f"vpn-gateway connect SERVER{option}"
    if facts.supposed_down and facts.failover is not None and facts.failover.server is not None:
        return "nothing: the exit comes back by itself, through another server"
    if facts.supposed_down or status is None:
        return "give the device another exit, or the exit a server to fall back on"
    match status.state:
        case ExitState.DISCONNECTED:
            return f"connect it: {connect}"
        case ExitState.CONNECTING:
            return f"wait some seconds; if it does not connect, choose another server: {connect}"
        case ExitState.BLOCKED if status.reason == CANARY_LEAK:
            return (
                "see what has leaked: vpn-gateway canary; the exits open by themselves when nothing leaks any more,"
                " or by vpn-gateway canary --open"
            )
        case ExitState.BLOCKED:
            return status.message or f"choose another server: {connect}"
        case ExitState.DISCONNECTING | ExitState.CONNECTED:
            return "wait a second and ask again"


def _wan(facts: Facts) -> str:
    return "the WAN is down" if not facts.wan else "the WAN has no router for it"
