"""Deltas between plans: a sequence of them ends in the last plan's elements, and asks nothing that nft would refuse."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from ipaddress import ip_interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.model import BlockedPolicy, DirectPolicy, Policy, VpnPolicy, WaitingPolicy
from app.network import nft
from app.network.nft_bytes import element
from app.network.nft_delta import Change, delta, key_text, value_text
from app.network.nft_layout import Layout, SetLayout, elements, layout
from app.network.nft_proof import SAMPLES, kind
from app.network.plan import MARK_DIRECT, ExitPlan, NetworkPlan, TimedElement
from app.network.planner import plan
from app.network.policy import FAMILIES
from app.policies import PlannedException
from tests.unit.network.scenarios import SCENARIOS, SECOND, SIX, WAN, WORK, default_exit, inputs, tunnel, with_bridge

MACS = [f"02:00:00:00:01:{n:02x}" for n in range(6)]
POLICIES: list[Who] = [VpnPolicy(), VpnPolicy("work"), DirectPolicy(), BlockedPolicy(), WaitingPolicy()]
Who = Policy | WaitingPolicy
Model = dict[tuple[str, str], dict[str, str]]


class Kernel:
    """The sets as a transaction leaves them. It refuses what the kernel refuses, and ends what has run out."""

    def __init__(self, loaded: Layout, timed: tuple[TimedElement, ...], now: float) -> None:
        self.sets: Model = {name: dict(one.elements) for name, one in loaded.sets.items()}
        self.ends: dict[tuple[tuple[str, str], str], float] = {}
        for one in timed:
            if one.deadline > now:
                name = ("inet", one.collection)
                self.sets[name][key_text(one)] = value_text(one)
                self.ends[name, key_text(one)] = one.deadline

    def commit(self, changes: tuple[Change, ...], now: float) -> None:
        for (name, key), deadline in tuple(self.ends.items()):
            if deadline <= now:
                del self.sets[name][key], self.ends[name, key]
        for change in changes:
            for key in change.removed:
                del self.sets[change.name][key]  # KeyError: deleted what is not there
                self.ends.pop((change.name, key), None)
        for change in changes:
            for key, value, left in change.added:
                assert key not in self.sets[change.name], "added what is there"
                self.sets[change.name][key] = value
                if left is not None:
                    self.ends[change.name, key] = now + left


@st.composite
def plans(draw: st.DrawFn) -> NetworkPlan:
    active = draw(st.sampled_from([None, tunnel(), SECOND, SIX]))
    work = draw(st.sampled_from([None, WORK, replace(WORK, slot="b", routes=WORK.routes[:1])]))
    exits = [ExitPlan("default", 0, active=active), *([ExitPlan("work", 1, work)] if draw(st.booleans()) else [])]
    devices = draw(st.dictionaries(st.sampled_from(MACS), st.sampled_from(POLICIES)))
    short = draw(st.dictionaries(st.sampled_from(MACS), st.tuples(st.sampled_from(POLICIES[:4]), st.integers(1, 9))))
    return plan(
        with_bridge(
            *exits,
            default=draw(st.sampled_from(POLICIES)),
            devices=tuple(devices.items()),
            exceptions=tuple(
                PlannedException(MACS.index(mac), policy, (mac,), float(until))
                for mac, (policy, until) in short.items()
                if not isinstance(policy, WaitingPolicy)
            ),
        )
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(plans(), min_size=2, max_size=8))
def test_sequence_of_deltas_is_one_load_of_the_last(made: list[NetworkPlan]) -> None:
    """A second goes by between two plans, so that exceptions end, go on and are moved."""
    kernel = Kernel(layout(made[0].transaction), made[0].timed, 0.0)
    for now, (old, new) in enumerate(itertools.pairwise(made), 1):
        wanted = layout(new.transaction)
        changes = delta(layout(old.transaction), wanted, old.timed, new.timed, now=float(now))
        assert changes is not None
        kernel.commit(changes, float(now))
        loaded = Kernel(wanted, new.timed, float(now))
        assert (kernel.sets, kernel.ends) == (loaded.sets, loaded.ends)


def test_devices_policy_is_one_element() -> None:
    before, after = (
        layout(
            plan(inputs(default_exit(active=tunnel()), devices=((MACS[0], policy), (MACS[1], DirectPolicy())))).ruleset
        )
        for policy in (VpnPolicy(), BlockedPolicy())
    )
    assert delta(before, after) == (Change(("inet", "device_mark"), (MACS[0],), ((MACS[0], "0x1", None),)),)
    assert delta(after, after) == ()


@pytest.mark.parametrize("step", [("disconnected", "connected"), ("connected", "flip"), ("switching", "disconnecting")])
def test_tunnels_change_no_chain(step: tuple[str, str]) -> None:
    before, after = (layout(plan(SCENARIOS[name]()).ruleset) for name in step)
    assert delta(before, after)


WAITS, FOLLOWS = WaitingPolicy(), VpnPolicy()


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ((FOLLOWS, {}), (FOLLOWS, {0: WAITS}), {"device_mark", "lan_devices", "resolver_port", "resolver_input"}),
        ((FOLLOWS, {0: WAITS, 1: WAITS}), (FOLLOWS, {0: FOLLOWS, 1: WAITS}), {"device_mark", "lan_devices"}),
        ((WAITS, {}), (WAITS, {0: FOLLOWS}), {"device_mark", "lan_devices"}),
        ((WAITS, {0: FOLLOWS}), (WAITS, {0: DirectPolicy()}), {"device_mark"}),
        (
            (FOLLOWS, {0: FOLLOWS}),
            (WAITS, {0: FOLLOWS}),
            {"default_mark", "lan_devices", "waiting_ports", "resolver_port", "resolver_input"},
        ),
    ],
    ids=["first-waits", "one-admitted", "first-admitted", "one-moved", "all-new-ones-wait"],
)
def test_who_waits_changes_elements_only(
    before: tuple[Who, dict[int, Who]], after: tuple[Who, dict[int, Who]], changed: set[str]
) -> None:
    def made(default: Who, devices: dict[int, Who]) -> Layout:
        # Somebody is direct in all of them, so that only who waits differs.
        direct = (MACS[-1], DirectPolicy())
        who = tuple((MACS[number], policy) for number, policy in devices.items())
        return layout(
            plan(with_bridge(default_exit(active=tunnel()), default=default, devices=(direct, *who))).transaction
        )

    there, back = delta(made(*before), made(*after)), delta(made(*after), made(*before))
    assert there is not None
    assert back is not None
    assert {change.name[1] for change in there} == {change.name[1] for change in back} == changed


WAN_ADDRESSES = {
    "none": (),
    "ipv4": ("203.0.113.5/24",),
    "both": ("203.0.113.5/24", "2001:db8:1::5/64"),
    "other-ipv4": ("10.1.0.4/8", "2001:db8:1::5/64"),
    "two-prefixes": ("203.0.113.5/24", "2001:db8:7::5/56", "2001:db8:1::5/128"),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(WAN_ADDRESSES, 2)), ids="-to-".join)
def test_wans_addresses_change_elements_only(before: str, after: str) -> None:
    """The WAN's prefix comes seconds after the first load; a whole load then would drop the devices' packets."""
    made = [
        layout(plan(inputs(default_exit(active=tunnel()), wan=replace(WAN, addresses=addresses))).ruleset)
        for addresses in (tuple(map(ip_interface, WAN_ADDRESSES[name])) for name in (before, after))
    ]
    changes = delta(*made)
    assert changes is not None
    prefixes = [set(one.sets["inet", "wan_network6"].elements) for one in made]
    assert ("wan_network6" in {change.name[1] for change in changes}) == (prefixes[0] != prefixes[1])
    networks = [n for n in (ip_interface(a).network for a in WAN_ADDRESSES[after]) if n.version == 6]
    assert prefixes[1] == {f'"wan" . {n}' for n in networks}


def test_another_lan_is_another_frame() -> None:
    before, after = (layout(plan(inputs(default_exit(), lan=lan)).ruleset) for lan in (("br-lan",), ("usb0",)))
    assert delta(before, after) is None


def test_first_load_proves_every_kind_of_set() -> None:
    """How nft writes elements is asked once: no later plan has sets of another kind, and each kind has a sample."""
    kinds = [frozenset(map(kind, layout(plan(make()).transaction).sets.values())) for make in SCENARIOS.values()]
    assert set(kinds) == {kinds[0]}
    fields = {field for fields, value, _ in kinds[0] for field in (*fields, *([value] if value else []))}
    assert fields <= SAMPLES.keys()


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_all_that_a_plan_fills_can_change_by_elements(name: str) -> None:
    """Nothing with elements stays in the frame, and every element can be encoded."""
    found = layout(plan(SCENARIOS[name]()).transaction)
    assert "elements = " not in found.frame
    for one in found.sets.values():
        assert all(element(one, key, value) for key, value in one.elements.items())


# --- elements that end by themselves ---------------------------------------------------------------------------------

TIMED = SetLayout(("ether saddr",), "meta mark", "timeout", {})
FRAME = Layout("", {("inet", "exception"): TIMED}, {})


def until(mac: str, when: float, mark: int = 0x10) -> TimedElement:
    return TimedElement("exception", (mac,), mark, when)


def timed(old: list[TimedElement], new: list[TimedElement], now: float) -> Change | None:
    found = delta(FRAME, FRAME, old, new, now=now)
    assert found is not None
    return found[0] if found else None


def test_timed_element_is_added_with_the_rest_of_its_time() -> None:
    name = ("inet", "exception")
    assert timed([], [until(MACS[0], 130.0)], 100.0) == Change(name, (), ((MACS[0], "0x10", 30.0),))
    assert timed([until(MACS[0], 130.0)], [until(MACS[0], 130.0)], 110.0) is None
    longer = timed([until(MACS[0], 130.0)], [until(MACS[0], 190.0)], 110.0)
    assert longer == Change(name, (MACS[0],), ((MACS[0], "0x10", 80.0),))


def test_timed_element_that_has_run_out_is_not_deleted() -> None:
    assert timed([until(MACS[0], 130.0)], [], 131.0) is None
    assert timed([until(MACS[0], 130.0)], [until(MACS[0], 130.0)], 131.0) is None
    again = timed([until(MACS[0], 130.0)], [until(MACS[0], 200.0)], 140.0)
    assert again == Change(("inet", "exception"), (), ((MACS[0], "0x10", 60.0),))


def test_load_writes_the_rest_of_the_time() -> None:
    made = plan(SCENARIOS["connected"]())
    text = replace(made, timed=(until(MACS[0], 130.0), until(MACS[1], 90.0))).transaction
    loaded = nft.with_deadlines(text, 100.0)
    assert f"add element inet vpn_gateway exception {{ {MACS[0]} timeout 30s0ms : 0x10 }}" in loaded
    assert MACS[1] not in loaded
    assert layout(text) == layout(made.transaction)


def test_elements_of_a_set_are_read_from_the_text() -> None:
    found: Mapping[str, str] = elements(plan(SCENARIOS["policies"]()).ruleset, "exit_forward")
    assert found == {
        '0x100 . "wg0a"': "goto forward_pass",
        '0x101 . "wg1a"': "goto forward_pass",
        '0x10 . "wan"': "accept",
    }


# --- the resolver of those who are direct for a while ----------------------------------------------------------------

FOR_A_WHILE = (
    PlannedException(1, DirectPolicy(), (MACS[0],), 50.0),
    PlannedException(2, DirectPolicy(), (MACS[1],), 90.0),
)


def direct_marks(made: NetworkPlan) -> tuple[bool, set[float]]:
    """Whether the direct resolvers' marks stand, and when those end that do not."""
    standing = {value for family in FAMILIES for value in elements(made.ruleset, f"resolver_mark{family}").values()}
    ends = {one.deadline for one in made.timed if one.collection.startswith("resolver_exception")}
    return hex(MARK_DIRECT) in standing, ends


@pytest.mark.parametrize(
    ("devices", "exceptions", "expected"),
    [
        ((), (), (False, set())),
        ((), FOR_A_WHILE, (False, {90.0})),
        (((MACS[2], DirectPolicy()),), FOR_A_WHILE, (True, set())),
        (((MACS[2], DirectPolicy()),), (), (True, set())),
        ((), (PlannedException(1, VpnPolicy(), (MACS[0],), 50.0),), (False, set())),
    ],
    ids=["nobody", "exceptions", "both", "device", "vpn"],
)
def test_direct_resolvers_end_with_the_last_exception(
    devices: tuple[tuple[str, DirectPolicy], ...],
    exceptions: tuple[PlannedException, ...],
    expected: tuple[bool, set[float]],
) -> None:
    made = plan(inputs(default_exit(active=tunnel()), default=BlockedPolicy(), devices=devices, exceptions=exceptions))
    assert direct_marks(made) == expected
