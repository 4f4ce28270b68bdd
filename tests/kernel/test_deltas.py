"""Changes of elements in a real kernel: any sequence ends in what one load of the last plan gives."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest
from msgspec.structs import replace

from app.canary.identity import policies
from app.model import BlockedPolicy, DirectPolicy, Policy, VpnPolicy, WaitingPolicy
from app.network import firewall as firewall_module
from app.network import nft, nft_bytes, nft_kernel, nft_proof
from app.network.capabilities import has_flowtable
from app.network.firewall import Firewall
from app.network.nft_delta import delta
from app.network.nft_layout import layout
from app.network.plan import ExitPlan, NetworkPlan, PlanInput, TimedElement
from app.network.planner import plan
from app.network.reconcile import Reconciler
from app.network.wireguard.userspace import UserspaceBackend
from app.policies import PlannedException
from tests.kernel.namespace import inside, run, until
from tests.kernel.test_bridge import is_stopped, passes, ports
from tests.support.frames import SOURCE
from tests.unit.network.scenarios import (
    SCENARIOS,
    SECOND,
    SIX,
    WAN,
    WORK,
    default_exit,
    inputs,
    tunnel,
    with_bridge,
)

pytestmark = pytest.mark.kernel

ERESTART = 85  # Linux: "interrupted system call should be restarted"; Python does not name it everywhere

ADDRESSES = tuple(map(ip_interface, ("203.0.113.5/24", "2001:db8:1::5/64", "2001:db8:7::5/56", "2001:db8:2::5/128")))
MACS = [f"02:00:00:00:01:{n:02x}" for n in range(40)]
POLICIES: list[Policy | WaitingPolicy] = [
    VpnPolicy(),
    VpnPolicy("work"),
    VpnPolicy("idle"),
    DirectPolicy(),
    BlockedPolicy(),
    WaitingPolicy(),
]


def situations(seed: int, count: int = 30) -> Iterator[PlanInput]:
    """Inputs of one gateway in the course of time: its ports stay, all else changes."""
    chance = random.Random(seed)
    for _ in range(count):
        narrow = replace(WORK, slot=chance.choice("ab"), routes=tuple(chance.sample(WORK.routes, chance.randint(1, 2))))
        active = chance.choice([None, tunnel(), SECOND, SIX])
        draining = chance.choice([None, tunnel("b", ("10.77.0.2/32",), peer="198.51.100.70")])
        if active and draining and active.slot == draining.slot:
            draining = None
        exits = [
            ExitPlan("default", 0, active=active, draining=draining),
            ExitPlan("work", 1, chance.choice([None, narrow, tunnel("b", ("10.3.0.2/32",), ("0.0.0.0/1", "::/0"))])),
            ExitPlan("idle", 7),
        ]
        yield with_bridge(
            *(e for e in exits if e.index == 0 or chance.random() < 0.8),
            default=chance.choice(POLICIES),
            devices=tuple((mac, chance.choice(POLICIES)) for mac in chance.sample(MACS, chance.randint(0, 40))),
            lookup_servers=chance.choice([(), (ip_address("203.0.113.1"), ip_address("2001:db8:1::53"))]),
            time_sync_uid=chance.choice([None, 104]),
            time_servers=(ip_address("192.0.2.123"),),
            canary=policies([e.name for e in exits] if chance.random() < 0.5 else ["default"]),
            wan=replace(WAN, addresses=tuple(chance.sample(ADDRESSES, chance.randint(0, 3)))),
            exceptions=tuple(
                PlannedException(slot, chance.choice(POLICIES[:4]), (mac,), boottime() + chance.choice((300, 900)))  # type: ignore[arg-type]
                for slot, mac in enumerate(chance.sample(MACS, chance.randint(0, 5)))
            ),
        )


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def listing() -> Any:
    """The tables as nft lists them, without what changes by itself, and with elements in order."""

    def essence(value: Any) -> Any:
        if isinstance(value, dict):
            running = {"handle", "packets", "bytes", *(("expires", "timeout") if "val" in value else ())}
            kept = {k: essence(v) for k, v in value.items() if k not in running}
            for key in ("elem", "set"):
                if isinstance(kept.get(key), list):
                    kept[key] = sorted(kept[key], key=lambda v: json.dumps(v, sort_keys=True))
            return kept
        return [essence(v) for v in value] if isinstance(value, list) else value

    tables = (f"{family} vpn_gateway" for family in ("inet", "bridge"))
    there = [table for table in tables if f"table {table}" in run("nft list tables").splitlines()]
    return [essence(json.loads(run(f"nft -j list table {table}"))["nftables"]) for table in there]


def whole(made: NetworkPlan) -> Any:
    run("nft -f -", feed=nft.with_deadlines(made.transaction, boottime()))
    return listing()


@pytest.mark.parametrize("seed", range(4))
@inside
async def test_deltas_end_in_the_state_of_one_load(seed: int) -> None:
    firewall = Firewall()
    run("ip link add br-lan type bridge")
    made = plan(inputs(default_exit()))
    for inp in situations(seed):
        made = plan(inp)
        await firewall.apply(made)
        await firewall.attest()
        assert await firewall.matches(made)
        firewall.invalidate()
        assert await firewall.matches(made), made.ruleset  # read back and compared with the plan
    assert (firewall.loads, firewall.changes > 20) == (1, True)
    both = ("inet", "bridge")
    changed, live = listing(), nft_kernel.read(both, layout(made.transaction))
    assert changed == whole(made)
    loaded = nft_kernel.read(both, layout(made.transaction))
    assert (loaded.frame, loaded.sets, loaded.flowtables) == (live.frame, live.sets, live.flowtables)
    assert ends(loaded) == pytest.approx(ends(live), abs=5)


def ends(live: nft_kernel.Live) -> dict[tuple[nft_kernel.Name, bytes, bytes], float]:
    """What ends by itself, and in how many seconds."""
    return {(name, key, data): left for name, each in live.timed.items() for key, (data, left) in each.items()}


@inside
async def test_table_that_cannot_be_read_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plan closes must not stay open because the present state is not to be had."""
    firewall, open_, closed = Firewall(), plan(inputs(default_exit(active=tunnel()))), plan(inputs(default_exit()))
    await firewall.apply(open_)
    await firewall.attest()
    run("nft add table ip stranger")

    def unreadable(*_: object) -> None:
        raise OSError("the kernel's tables change faster than they can be read")

    with monkeypatch.context() as patch:
        patch.setattr(nft_kernel, "read", unreadable)
        await firewall.apply(closed)
    assert listing() == whole(closed)
    assert firewall.loads == 2


@inside
async def test_every_scenario_is_known_to_the_byte() -> None:
    """A set whose elements the kernel writes in another way than expected could only be loaded."""
    for make in SCENARIOS.values():
        made = plan(make())
        firewall = Firewall()
        await firewall.apply(made)
        await firewall.attest()
        assert firewall.unreadable == ()


def expect_other_encoding(patch: pytest.MonkeyPatch, which: str) -> None:
    """As if nft wrote the bytes of numbers in the other order: everywhere, or beside ranges only. Nothing is proven."""
    encoder, concatenated = (getattr(nft_bytes, name) for name in ("_encoder", "_concatenated"))

    def turned(field: str) -> Callable[[str], bytes]:
        return (lambda text: encoder(field)(text)[::-1]) if field == "meta mark" else encoder(field)

    if which == "marks":
        patch.setattr(nft_bytes, "_encoder", turned)
    else:

        def unturned(*args: Any, **more: Any) -> bytes:
            return concatenated(*args, **{**more, "swapped": False})

        patch.setattr(nft_bytes, "_concatenated", unturned)
    nothing_proven(patch)


def nothing_proven(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(firewall_module, "_Proof", type("_Proof", (), {"kinds": frozenset(), "asked": frozenset()}))


async def checked_again_and_again(firewall: Firewall, made: NetworkPlan) -> None:
    """Other programs change tables of their own all the time: each of it makes the next check read all of ours."""
    loads = firewall.loads
    for number in range(3):
        run(f"nft add table ip stranger{firewall.loads}{number}")
        assert await firewall.matches(made)
        await firewall.apply(made)
        await firewall.attest()
    assert firewall.loads == loads


@pytest.mark.parametrize("otherwise", ["marks", "ranges"])
@inside
async def test_sets_that_nft_writes_otherwise_are_loaded(monkeypatch: pytest.MonkeyPatch, otherwise: str) -> None:
    """Also those that were empty when it could have been seen; it is no drift, and loaded once for each change."""
    expect_other_encoding(monkeypatch, otherwise)
    firewall, base = Firewall(), plan(inputs(default_exit(), devices=((MACS[0], BlockedPolicy()),)))
    split = plan(inputs(ExitPlan("default", 0, active=WORK), devices=((MACS[0], BlockedPolicy()),)))
    await firewall.apply(base)
    await firewall.attest()
    assert "exit_routes4" in firewall.unreadable
    assert ("device_mark" in firewall.unreadable) == (otherwise == "marks")
    await checked_again_and_again(firewall, base)
    await firewall.apply(split)
    await firewall.attest()
    assert (firewall.loads, firewall.changes) == (2, 0)
    await checked_again_and_again(firewall, split)
    assert listing() == whole(split)


@inside
async def test_without_a_proof_all_is_loaded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where the samples are refused, nothing is changed by elements, and the next load asks again."""
    nothing_proven(monkeypatch)
    monkeypatch.setitem(nft_proof.SAMPLES, "meta mark", "no mark")
    firewall, idle, up = Firewall(), plan(inputs(default_exit())), plan(inputs(default_exit(active=tunnel())))
    await firewall.apply(idle)
    await firewall.attest()
    assert "nothing is known" in caplog.text
    await checked_again_and_again(firewall, idle)
    monkeypatch.setitem(nft_proof.SAMPLES, "meta mark", "0x102")
    await firewall.apply(up)
    await firewall.attest()
    assert (firewall.loads, firewall.changes) == (2, 0)
    await firewall.apply(idle)
    assert (firewall.loads, firewall.changes) == (2, 1)
    assert "vpn_gateway_probe" not in run("nft list tables")


@inside
async def test_change_of_a_set_written_otherwise_is_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    expect_other_encoding(monkeypatch, "marks")
    firewall = Firewall()
    made = with_exceptions(plan(inputs(default_exit())), lasting(MACS[0], 3), lasting(MACS[1], 60))
    await firewall.apply(made)
    await firewall.attest()
    assert "exception" in firewall.unreadable
    await checked_again_and_again(firewall, made)
    await until(lambda: MACS[0] not in run("nft list map inet vpn_gateway exception"))  # which is no drift
    await checked_again_and_again(firewall, made)
    assert firewall.loads == 1
    run(f"nft delete element inet vpn_gateway exception {{ {MACS[1]} }}")
    assert not await firewall.matches(made)
    run(f"nft add element inet vpn_gateway exception {{ {MACS[1]} timeout 1h : 0x10 }}")
    assert not await firewall.matches(made)
    run(f"nft delete element inet vpn_gateway exception {{ {MACS[1]} }}")
    run(f"nft add element inet vpn_gateway exception {{ {MACS[1]} timeout 20s : 0x11 }}")
    assert not await firewall.matches(made)


@inside
async def test_counters_go_on_while_elements_change() -> None:
    firewall = Firewall()
    idle = plan(inputs(default_exit()))
    await firewall.apply(idle)
    await firewall.attest()
    run("ip link set lo up")
    run("ip link add br-lan type veth peer name far")
    run("ip link set br-lan up")
    run("ip addr add 10.5.0.1/24 dev br-lan")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(3):
            with contextlib.suppress(PermissionError):
                sock.sendto(b"?", ("10.5.0.9", 9))
    before = nft.counters()
    assert before["drop_output"].packets >= 3
    await firewall.apply(plan(inputs(default_exit(active=tunnel()), devices=((MACS[0], DirectPolicy()),))))
    assert firewall.loads == 1
    assert nft.counters()["drop_output"] == before["drop_output"]


@pytest.mark.parametrize("others_wait", [True, False])
@inside
async def test_admission_changes_elements_of_both_tables(others_wait: bool) -> None:
    """The only device that waits, or the first that does not: nothing is loaded, and every counter goes on."""
    ports("lan1", "lan2")
    firewall = Firewall()
    kernel = Reconciler(UserspaceBackend(), on_drift=lambda _: None, firewall=firewall)
    default: Policy | WaitingPolicy = WaitingPolicy() if others_wait else VpnPolicy()

    def made(policy: Policy | WaitingPolicy) -> NetworkPlan:
        devices = () if policy == default else ((SOURCE, policy),)
        return plan(with_bridge(default_exit(), wan=None, default=default, devices=devices))

    waits, admitted = made(WaitingPolicy()), made(VpnPolicy())
    await kernel.apply(waits)
    assert await is_stopped("host", "lan1", "lan2")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(PermissionError):
        sock.sendto(b"?", ("192.168.77.9", 53))
    before = nft.counters()
    assert before["drop_waiting_lan"].packets > 0
    assert before["drop_dns"].packets > 0
    await kernel.apply(admitted)
    counts = nft.counters()
    assert counts["drop_waiting_lan"] == before["drop_waiting_lan"]
    assert counts["drop_dns"] == before["drop_dns"]
    assert await passes("host", "lan1", "lan2")
    await kernel.apply(waits)
    assert await is_stopped("host", "lan1", "lan2")
    assert nft.counters()["drop_waiting_lan"].packets > before["drop_waiting_lan"].packets
    assert (firewall.loads, firewall.changes, firewall.unreadable) == (1, 2, ())
    firewall.invalidate()
    assert await kernel.verify() == ()
    changed = listing()
    assert changed == whole(waits)


@inside
async def test_another_frame_is_loaded_as_a_whole() -> None:
    firewall = Firewall()
    for lan in (("br-lan",), ("br-lan", "usb0")):
        made = plan(inputs(default_exit(), lan=lan))
        await firewall.apply(made)
        await firewall.attest()
        assert await firewall.matches(made)
    assert (firewall.loads, firewall.changes) == (2, 0)


@pytest.mark.parametrize(
    "command",
    [
        "nft add element inet vpn_gateway device_mark { 02:00:00:00:09:09 : 0x10 }",
        "nft delete element inet vpn_gateway device_mark { 02:00:00:00:01:00 }",
        "nft add element inet vpn_gateway transport4 { 192.0.2.1 . 443 }",
        "nft add rule inet vpn_gateway forward accept",
        "nft add chain inet vpn_gateway forward { policy accept ; }",
        "nft add table inet vpn_gateway { flags dormant ; }",
        "nft flush ruleset",
        "nft flush chain inet vpn_gateway egress_wan",
    ],
)
@inside
async def test_what_others_change_is_noticed_and_put_back(command: str) -> None:
    firewall = Firewall()
    made = plan(inputs(default_exit(active=tunnel()), devices=((MACS[0], DirectPolicy()),)))
    await firewall.apply(made)
    await firewall.attest()
    run(command)
    assert not await firewall.matches(made)
    await firewall.apply(replace(made, routes=()))
    await firewall.attest()
    assert await firewall.matches(made)
    assert listing() == whole(made)


@inside
async def test_a_rules_own_set_with_others_in_it_is_noticed() -> None:
    """The set of one rule cannot be changed, but the rule can be put in its own place with another under its name."""
    firewall = Firewall()
    made = plan(inputs(default_exit(active=tunnel())))
    await firewall.apply(made)
    await firewall.attest()
    lines = run("nft -a list chain inet vpn_gateway input_wan").splitlines()
    place = next(n for n, line in enumerate(lines) if "mld" in line)
    text, _, handle = lines[place].strip().partition(" # handle ")
    before = lines[place - 1].rpartition(" # handle ")[2]
    run(f"nft delete rule inet vpn_gateway input_wan handle {handle}")
    changed = text.replace("mld-listener-query", "echo-request")
    run(f"nft add rule inet vpn_gateway input_wan position {before} {changed}")
    assert "echo-request" in run("nft list chain inet vpn_gateway input_wan")
    assert not await firewall.matches(made)


@inside
async def test_change_of_a_stale_state_is_refused() -> None:
    """Another program's transaction between the look and the change: nothing is built on what is not known."""
    old, new = plan(inputs(default_exit())), plan(inputs(default_exit(active=tunnel())))
    before = whole(old)
    generation = nft.generation()
    changes = delta(layout(old.transaction), layout(new.transaction))
    assert changes
    run("nft add table ip stranger")
    with pytest.raises(OSError, match="restart") as refused:
        nft_kernel.change(changes, layout(new.transaction), generation)
    assert refused.value.errno == ERESTART
    assert listing() == before
    nft_kernel.change(changes, layout(new.transaction), nft.generation())
    assert listing() == whole(new)


# --- what ends by itself ---------------------------------------------------------------------------------------------


def with_exceptions(made: NetworkPlan, *timed: TimedElement) -> NetworkPlan:
    text = made.ruleset
    if "map exception" not in text:
        added = "\tmap exception {\n\t\ttypeof ether saddr : meta mark\n\t\tflags timeout\n\t}\n"
        text = text.replace("\tset connections", added + "\tset connections", 1)
    return replace(made, ruleset=text, timed=timed)


def lasting(mac: str, seconds: float, mark: int = 0x10) -> TimedElement:
    return TimedElement("exception", (mac,), mark, boottime() + seconds)


@pytest.mark.parametrize("loaded", [True, False])
@inside
async def test_element_that_has_run_out_is_no_drift(loaded: bool) -> None:
    firewall, base = Firewall(), plan(inputs(default_exit()))
    if not loaded:
        await firewall.apply(with_exceptions(base))
        await firewall.attest()
    made = with_exceptions(base, lasting(MACS[0], 3), lasting(MACS[1], 60))
    await firewall.apply(made)
    await firewall.attest()
    assert MACS[0] in run("nft list map inet vpn_gateway exception")
    firewall.invalidate()
    assert await firewall.matches(made)
    await until(lambda: MACS[0] not in run("nft list map inet vpn_gateway exception"))
    firewall.invalidate()
    assert await firewall.matches(made)
    longer = with_exceptions(base, lasting(MACS[0], 30), made.timed[1])
    await firewall.apply(longer)
    firewall.invalidate()
    assert await firewall.matches(longer)
    assert firewall.loads == 1


@pytest.mark.parametrize(
    "command",
    [
        "nft add element inet vpn_gateway exception { 02:00:00:00:01:05 timeout 9s : 0x10 }",
        "nft delete element inet vpn_gateway exception { 02:00:00:00:01:01 }",
    ],
)
@inside
async def test_exception_that_nobody_planned_is_drift(command: str) -> None:
    firewall = Firewall()
    made = with_exceptions(plan(inputs(default_exit())), lasting(MACS[1], 60))
    await firewall.apply(made)
    await firewall.attest()
    run(command)
    assert not await firewall.matches(made)


@inside
async def test_exception_that_lasts_longer_than_planned_is_drift() -> None:
    firewall = Firewall()
    made = with_exceptions(plan(inputs(default_exit())), lasting(MACS[1], 30))
    await firewall.apply(made)
    await firewall.attest()
    run(f"nft delete element inet vpn_gateway exception {{ {MACS[1]} }}")
    run(f"nft add element inet vpn_gateway exception {{ {MACS[1]} timeout 1h : 0x10 }}")
    assert not await firewall.matches(made)


@inside
async def test_flowtable_follows_the_tunnels() -> None:
    if not await has_flowtable():
        pytest.skip("this kernel has no nf_flow_table")
    firewall = Firewall()
    for name in ("br-lan", "wg0a", "wg0b"):
        run(f"ip link add {name} type bridge")

    def made(**tunnels: Any) -> NetworkPlan:
        return plan(replace(inputs(default_exit(**tunnels)), flowtable=True))

    for one in (made(), made(active=tunnel()), made(active=SECOND, draining=tunnel()), made(active=SECOND), made()):
        await firewall.apply(one)
        await firewall.attest()
        firewall.invalidate()
        assert await firewall.matches(one)
    assert firewall.loads == 1
