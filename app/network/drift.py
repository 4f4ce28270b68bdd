"""How the live kernel state differs from the plan, in words (pure, but for reading kernel parameters)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Literal

from app.addresses import Interface
from app.network import sysctl
from app.network.links import LinkState, as_planned, members
from app.network.plan import BridgePlan, LinkPlan, NetworkPlan, RoutePlan, RulePlan
from app.network.routes import LOCAL_RULES, Live
from app.network.wireguard.types import INTERFACE_NAME

LINK_KINDS: dict[Literal["kernel", "userspace"], str] = {"kernel": "wireguard", "userspace": "tun"}


def usable(link: LinkPlan, state: Mapping[str, LinkState], backend: Literal["kernel", "userspace"]) -> bool:
    """Whether there is an interface of that name, and it is one of WireGuard's."""
    return link.name in state and state[link.name].kind == LINK_KINDS[backend]


def missing(name: str) -> str:
    """In words: there is no interface ``name``, or it is not what it should be."""
    return f"interface {name} is missing"


def strays(plan: NetworkPlan, state: Iterable[str]) -> list[str]:
    """Interfaces with names of ours that the plan does not have."""
    kept = {link.name for link in plan.links}
    return sorted(name for name in state if INTERFACE_NAME.fullmatch(name) and name not in kept)


def of_links(plan: NetworkPlan, state: Mapping[str, LinkState], backend: Literal["kernel", "userspace"]) -> list[str]:
    found: list[str] = []
    for link in plan.links:
        if not usable(link, state, backend):
            found.append(missing(link.name))
        elif not as_planned(link, state[link.name]):
            found.append(f"interface {link.name} was changed")
    found += [f"interface {name} should not exist" for name in strays(plan, state)]
    for name, address in plan.lan_addresses:
        if name not in state:
            found.append(missing(name))
        elif address not in state[name].addresses:
            found.append(f"address {address} of {name} is missing")
        elif not state[name].up:
            found.append(f"interface {name} is down")
    found += of_bridge(plan, state)
    for name, link in state.items():
        found += [f"address {a} of {name} should not be there" for a in old_addresses(plan, name, link)]
    return list(dict.fromkeys(found))


# --- what was changed since the last plan was applied, when the next one is -----------------------------------------
# A plan follows on what happens outside (a cable, a lease, a tunnel), which takes routes and interfaces away: that is
# not drift. Drift is what differs although both plans say the same, and what neither of them has.


def of_kept_links(
    last: NetworkPlan, plan: NetworkPlan, state: Mapping[str, LinkState], backend: Literal["kernel", "userspace"]
) -> list[str]:
    """Tunnel interfaces that are in both plans and are not as planned; ports that joined the bridge or left it."""
    kept = [link for link in plan.links if link in last.links and usable(link, state, backend)]
    found = [f"interface {link.name} was changed" for link in kept if not as_planned(link, state[link.name])]
    return found + (of_bridge(plan, state) if plan.bridge == last.bridge else [])


def of_kept_sysctls(last: NetworkPlan, plan: NetworkPlan) -> list[str]:
    """Kernel parameters that both plans want alike and that have another value."""
    before = set(last.sysctls)
    return _of_parameters(parameter for parameter in plan.sysctls if parameter in before)


def of_kept_routing(last: NetworkPlan, plan: NetworkPlan, live: Live) -> list[str]:
    """Rules that are in both plans and not in the kernel; rules and routes in the kernel that neither plan has."""
    old, new = wanted_rules(last), wanted_rules(plan)
    return _of_rules(old & new, old | new, live) + _added_routes({*last.routes, *plan.routes}, live)


def of_bridge(plan: NetworkPlan, state: Mapping[str, LinkState]) -> list[str]:
    if plan.bridge is None:
        return []
    out, into = moves(plan.bridge, state)
    name = plan.bridge.name
    return [f"{p} does not belong in {name}" for p in out] + [f"{p} is not in {name}" for p in into]


def moves(bridge: BridgePlan, state: Mapping[str, LinkState]) -> tuple[list[str], list[str]]:
    """The ports to take out of the bridge, and those to put in."""
    present = members(bridge.name, state)
    there = {name for name in bridge.ports if name in state} if bridge.name in state else set[str]()
    return sorted(present - there), sorted(there - present)


def old_addresses(plan: NetworkPlan, name: str, link: LinkState) -> list[Interface]:
    """Addresses of a LAN of before: ours by their mark, and no longer in the plan."""
    wanted = {address for lan, address in plan.lan_addresses if lan == name}
    return [] if INTERFACE_NAME.fullmatch(name) else sorted(link.ours - wanted, key=str)


def of_routing(plan: NetworkPlan, live: Live) -> list[str]:
    rules = wanted_rules(plan)
    found = _of_rules(rules, rules, live)
    found += [f"{_route(r)} is missing" for r in plan.routes if r not in live.routes]
    found += _added_routes(set(plan.routes), live)
    return list(dict.fromkeys(found))


def of_sysctls(plan: NetworkPlan) -> list[str]:
    """Read now; a parameter that the kernel does not have is none that could differ."""
    return _of_parameters(plan.sysctls)


def _of_rules(wanted: AbstractSet[RulePlan], known: AbstractSet[RulePlan], live: Live) -> list[str]:
    """``wanted`` rules that are missing, and rules that are not even ``known``."""
    found = [f"{_rule(r)} is missing" for r in sorted(wanted - set(live.rules), key=_by_priority)]
    found += [f"{_rule(r)} was added" for r in sorted(set(live.rules) - known, key=_by_priority)]
    return found + [f"{what} was added" for what, _ in live.foreign_rules]


def _added_routes(known: AbstractSet[RoutePlan], live: Live) -> list[str]:
    found = [f"{_route(r)} was added" for r in live.routes if r not in known]
    return found + [f"{what} was added" for what, _ in live.foreign_routes]


def _of_parameters(parameters: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name} is not {value}" for name, value in parameters if sysctl.read(name) not in {value, None}]


def wanted_rules(plan: NetworkPlan) -> set[RulePlan]:
    return {*plan.rules, *LOCAL_RULES}


def _by_priority(rule: RulePlan) -> tuple[int, int]:
    return rule.family, rule.priority


def _rule(rule: RulePlan) -> str:
    return f"rule {rule.priority} (IPv{rule.family})"


def _route(route: RoutePlan) -> str:
    return f"{route.kind} route {route.dst} in table {route.table}"
