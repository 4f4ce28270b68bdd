"""The egress filters of the plan on the machine's ports: set, compared, counted. The kernel announces their changes."""

from __future__ import annotations

from collections.abc import Mapping

from app.network import traffic_control
from app.network.egress_filter import program
from app.network.links import LinkState
from app.network.plan import EgressFilter, NetworkPlan

WAN_PORT = "wan_port"  # the reason of drops


class PortFilters:
    """The filters that a plan asks for. A filter goes with its port, and one that comes back has none: no drift."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}  # the index of each port that has had its filter
        self._last: dict[int, int] = {}  # drops by port at the last reading
        self._dropped = 0

    def wrong(self, plan: NetworkPlan, state: Mapping[str, LinkState]) -> list[EgressFilter]:
        """The filters that are not in force as planned. Raises OSError."""
        found: list[EgressFilter] = []
        for egress in plan.egress:
            if egress.interface not in state:
                continue
            index = state[egress.interface].index
            if traffic_control.is_set(index, program(egress)):
                self._known[egress.interface] = index
            else:
                found.append(egress)
        return found

    def install(self, egress: EgressFilter, state: Mapping[str, LinkState]) -> None:
        """Raises KernelError, OSError."""
        self.read_drops()
        index = state[egress.interface].index
        traffic_control.install(index, program(egress))
        self._known[egress.interface] = index

    def clear_lan(self, plan: NetworkPlan, state: Mapping[str, LinkState]) -> None:
        """Take the filters off the LAN's ports. Raises OSError."""
        there = [state[name].index for name in plan.unfiltered if name in state]
        filtered = traffic_control.filtered() if there else frozenset[int]()
        for index in there:
            if index in filtered:
                traffic_control.remove(index)

    def settle(self, plan: NetworkPlan, state: Mapping[str, LinkState]) -> None:
        """Set the filters of ports that are new, and clear the LAN's. Raises KernelError, OSError."""
        for egress in self.wrong(plan, state):
            if self._known.get(egress.interface) != state[egress.interface].index:
                self.install(egress, state)
        self.clear_lan(plan, state)

    def drift(self, plan: NetworkPlan, state: Mapping[str, LinkState]) -> list[str]:
        """Raises OSError."""
        return [f"the filter on {egress.interface} was changed" for egress in self.wrong(plan, state)]

    def kept_drift(self, last: NetworkPlan, plan: NetworkPlan, state: Mapping[str, LinkState]) -> list[str]:
        """The drift in what both plans share. Raises OSError."""
        kept = [e for e in self.wrong(last, state) if e in plan.egress]
        kept = [e for e in kept if self._known.get(e.interface) == state[e.interface].index]
        return [f"the filter on {egress.interface} was changed" for egress in kept]

    def read_drops(self) -> int:
        """Packets dropped so far. A filter that was removed by another program loses those since the last reading.

        Raises OSError.
        """
        now = traffic_control.drops()
        for index, count in now.items():
            before = self._last.get(index, 0)
            self._dropped += count - before if count >= before else count
        self._last = now
        return self._dropped
