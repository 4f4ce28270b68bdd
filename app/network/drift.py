"""Drift: the differences between the live kernel state and the plan, in words (pure, but for reading sysctls)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Literal

from app.addresses import Interface
from app.network import sysctl
from app.network.links import LinkState, as_planned, members
from app.network.plan import BridgePlan, LinkPlan, NetworkPlan, RoutePlan, RulePlan
from app.network.routes import LOCAL_RULES, LiveRouting
from app.network.wireguard.types import INTERFACE_NAME

LINK_KINDS: dict[Literal["kernel", "userspace"], str] = {"kernel": "wireguard", "userspace": "tun"}


def usable(link: LinkPlan, state: Mapping[str, LinkState], backend: Literal["kernel", "userspace"]) -> bool:
    """Whether the link exists and is a WireGuard interface."""
    return link.name in state and state[link.name].kind == LINK_KINDS[backend]


def missing(name: str) -> str:
    """The drift of an interface that does not exist or is of another kind."""
    return f"interface {name} is missing"


def unexpected_interfaces(plan: NetworkPlan, state: Iterable[str]) -> list[str]:
    """Interfaces with a managed name that the plan does not have."""
    kept = {link.name for link in plan.links}
    return sorted(name for name in state if INTERFACE_NAME.fullmatch(name) and name not in kept)


def links_drift(
    plan: NetworkPlan, state: Mapping[str, LinkState], backend: Literal["kernel", "userspace"]
) -> list[str]:
    found: list[str] = []
    for link in plan.links:
        if not usable(link, state, backend):
            found.append(missing(link.name))
        elif not as_planned(link, state[link.name]):
            found.append(f"interface {link.name} was changed")
    found += [f"interface {name} should not exist" for name in unexpected_interfaces(plan, state)]
    for name, address in plan.lan_addresses:
        if name not in state:
            found.append(missing(name))
        elif address not in state[name].addresses:
            found.append(f"address {address} of {name} is missing")
        elif not state[name].up:
            found.append(f"interface {name} is down")
    found += bridge_drift(plan, state)
    for name, link in state.items():
        found += [f"address {a} of {name} should not be there" for a in obsolete_addresses(plan, name, link)]
    return list(dict.fromkeys(found))


# --- drift from the last plan, found while the next one is applied ---------------------------------------------------
# A new plan often follows an outside event (a cable, a lease, a tunnel) that has removed routes and interfaces: that is
# not drift. Drift is a difference in what both plans share, and state that is in neither of them.


def kept_links_drift(
    last: NetworkPlan, plan: NetworkPlan, state: Mapping[str, LinkState], backend: Literal["kernel", "userspace"]
) -> list[str]:
    """Tunnel interfaces of both plans that are not as planned; ports that joined the bridge or left it."""
    kept = [link for link in plan.links if link in last.links and usable(link, state, backend)]
    found = [f"interface {link.name} was changed" for link in kept if not as_planned(link, state[link.name])]
    return found + (bridge_drift(plan, state) if plan.bridge == last.bridge else [])


def kept_sysctls_drift(last: NetworkPlan, plan: NetworkPlan) -> list[str]:
    """Kernel parameters that have another value than the one in both plans."""
    before = set(last.sysctls)
    return _sysctl_drift(parameter for parameter in plan.sysctls if parameter in before)


def kept_routing_drift(last: NetworkPlan, plan: NetworkPlan, live: LiveRouting) -> list[str]:
    """Rules of both plans that are missing in the kernel; rules and routes in the kernel that neither plan has."""
    old, new = planned_rules(last), planned_rules(plan)
    return _rule_drift(old & new, old | new, live) + _added_routes({*last.routes, *plan.routes}, live)


def bridge_drift(plan: NetworkPlan, state: Mapping[str, LinkState]) -> list[str]:
    if plan.bridge is None:
        return []
    removed, added = bridge_changes(plan.bridge, state)
    name = plan.bridge.name
    return [f"{p} does not belong in {name}" for p in removed] + [f"{p} is not in {name}" for p in added]


def bridge_changes(bridge: BridgePlan, state: Mapping[str, LinkState]) -> tuple[list[str], list[str]]:
    """The ports to remove from the bridge, and those to add."""
    present = members(bridge.name, state)
    there = {name for name in bridge.ports if name in state} if bridge.name in state else set[str]()
    return sorted(present - there), sorted(there - present)


def obsolete_addresses(plan: NetworkPlan, name: str, link: LinkState) -> list[Interface]:
    """Addresses that the gateway set on a LAN interface and that are no longer in the plan."""
    wanted = {address for lan, address in plan.lan_addresses if lan == name}
    return [] if INTERFACE_NAME.fullmatch(name) else sorted(link.managed - wanted, key=str)


def routing_drift(plan: NetworkPlan, live: LiveRouting) -> list[str]:
    rules = planned_rules(plan)
    found = _rule_drift(rules, rules, live)
    found += [f"{_route(r)} is missing" for r in plan.routes if r not in live.routes]
    found += _added_routes(set(plan.routes), live)
    return list(dict.fromkeys(found))


def sysctls_drift(plan: NetworkPlan) -> list[str]:
    """Kernel parameters with another value than planned; those that the kernel does not have are left out."""
    return _sysctl_drift(plan.sysctls)


def _rule_drift(wanted: AbstractSet[RulePlan], known: AbstractSet[RulePlan], live: LiveRouting) -> list[str]:
    """``wanted`` rules that are missing, and live rules that are not ``known``."""
    found = [f"{_rule(r)} is missing" for r in sorted(wanted - set(live.rules), key=_by_priority)]
    found += [f"{_rule(r)} was added" for r in sorted(set(live.rules) - known, key=_by_priority)]
    return found + [f"{what} was added" for what, _ in live.foreign_rules]


def _added_routes(known: AbstractSet[RoutePlan], live: LiveRouting) -> list[str]:
    found = [f"{_route(r)} was added" for r in live.routes if r not in known]
    return found + [f"{what} was added" for what, _ in live.foreign_routes]


def _sysctl_drift(parameters: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name} is not {value}" for name, value in parameters if sysctl.read(name) not in {value, None}]


def planned_rules(plan: NetworkPlan) -> set[RulePlan]:
    return {*plan.rules, *LOCAL_RULES}


def _by_priority(rule: RulePlan) -> tuple[int, int]:
    return rule.family, rule.priority


def _rule(rule: RulePlan) -> str:
    return f"rule {rule.priority} (IPv{rule.family})"


def _route(route: RoutePlan) -> str:
    return f"{route.kind} route {route.dst} in table {route.table}"
