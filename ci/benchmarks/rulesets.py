"""The ruleset with 1,000 devices and 16 exits: planned and applied, and one device's policy changed.

Beside them is what nft(8) needs for the same: ``nft -f`` of the same text, ``nft add element`` by hand. The measuring
runs inside a host of the lab, with this module as its program; each is repeated until its spread is told. Not in it is
the proof of how nft writes elements, one more run of nft, which a process makes once.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from ipaddress import IPv6Interface, ip_address, ip_interface, ip_network

from msgspec.structs import replace

from app.model import BlockedPolicy, DirectPolicy, LanLink, LanSettings, Links, Policy, VpnPolicy, WanLink
from app.network.plan import ExitPlan, NetworkPlan, PlanInput, TransportPeer, TunnelPlan
from app.network.planner import plan
from app.network.reconcile import Reconciler
from app.network.wireguard.userspace import UserspaceBackend
from ci.benchmarks.result import Result, median, spread
from ci.labnet import Lab

DEVICES, EXITS, ROUNDS, CHANGES = 1000, 16, 15, 60
AT_A_TIME = 10
HOST = "ruleset"


def inputs(devices: int = DEVICES, exits: int = EXITS) -> PlanInput:
    names = ["default", *(f"exit{n}" for n in range(1, exits))]
    policies: list[Policy] = [*(VpnPolicy(name) for name in names), DirectPolicy(), BlockedPolicy()]
    wan = WanLink(
        "wan0",
        up=True,
        addresses=(ip_interface("192.168.9.2/24"),),
        gateway4=ip_address("192.168.9.1"),  # type: ignore[arg-type]
        nameservers=(ip_address("192.168.9.1"),),
    )
    return PlanInput(
        links=Links(wan, (LanLink("lan0"),)),
        lan=LanSettings(ula=IPv6Interface("fd12:3456:789a::1/64")),
        exits=tuple(ExitPlan(name, n, active=_tunnel(n)) for n, name in enumerate(names)),
        default_policy=VpnPolicy(),
        devices=tuple((_mac(n), policies[n % len(policies)]) for n in range(devices)),
    )


def _mac(number: int) -> str:
    return f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"


def _tunnel(number: int) -> TunnelPlan:
    return TunnelPlan(
        slot="a",
        addresses=(ip_interface(f"10.64.{number}.2/32"), ip_interface(f"fc00:bbbb:{number:x}::2/128")),
        mtu=1420,
        transport=(TransportPeer(ip_address(f"198.51.100.{number + 1}"), 51820),),
        routes=(ip_network("0.0.0.0/0"), ip_network("::/0")),
        dns=(ip_address("10.64.0.1"),),
    )


# --- inside the host -------------------------------------------------------------------------------------------------


def _run(*command: str, feed: str = "") -> None:
    subprocess.run(command, input=feed, text=True, check=True, capture_output=True)


async def _seconds(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _nft(*arguments: str, feed: str = "") -> None:
    await asyncio.to_thread(_run, "nft", *arguments, feed=feed)


async def _inside() -> dict[str, list[float]]:
    for name in ("wan0", "lan0"):
        _run("ip", "link", "add", name, "type", "bridge")
    _run("ip", "addr", "add", "192.168.9.2/24", "dev", "wan0")
    _run("ip", "link", "set", "wan0", "up")
    for number in range(EXITS):  # as wireguard-go's, but without a process each: they are made once
        _run("ip", "tuntap", "add", f"wg{number}a", "mode", "tun")
    whole = inputs()
    found: dict[str, list[float]] = {name: [] for name in ("start", "load", "policy", "element")}

    async def start() -> Reconciler:
        one = Reconciler(UserspaceBackend(), on_drift=lambda _: None)
        await one.apply(plan(whole))
        return one

    reconciler = await start()
    text = plan(whole).transaction
    for _ in range(ROUNDS):
        found["load"].append(await _seconds(lambda: _nft("-f", "-", feed=text)))
        found["start"].append(await _seconds(start))
    reconciler = await start()

    def with_policy(policy: Policy) -> NetworkPlan:
        return plan(replace(whole, devices=((_mac(0), policy), *whole.devices[1:])))

    policies: tuple[Policy, ...] = (BlockedPolicy(), DirectPolicy())
    # By hand, in a table of its own; in turns, and not one by one, since each looks at what the other has done.
    await _nft("-f", "-", feed="table inet hand {\n map m { type ether_addr : mark; }\n}\n")
    for turn in range(CHANGES // AT_A_TIME):
        await reconciler.apply(with_policy(DirectPolicy()))
        for number in range(AT_A_TIME):
            policy = policies[number % 2]
            found["policy"].append(await _seconds(lambda policy=policy: reconciler.apply(with_policy(policy))))
        for number in range(AT_A_TIME):
            element = f"{{ 02:00:00:02:{turn:02x}:{number:02x} : 0x10 }}"
            found["element"].append(await _seconds(lambda e=element: _nft("add", "element", "inet", "hand", "m", e)))
    assert await reconciler.verify() == ()
    return found


# --- outside ---------------------------------------------------------------------------------------------------------


def measure(lab: Lab) -> list[Result]:
    lab.hosts.create(HOST)
    try:
        done = lab.hosts[HOST].run(sys.executable, "-m", "ci.benchmarks.rulesets")
        found: dict[str, list[float]] = json.loads(done.stdout)
    finally:
        lab.hosts.pop(HOST).destroy()
    return results(found)


def results(found: dict[str, list[float]]) -> list[Result]:
    middle = {name: median(times) for name, times in found.items() if times}

    def shown(name: str) -> str:
        return f"{middle[name] * 1000:.1f} ms"

    return [
        Result(
            f"1,000 devices, 16 exits: planned, applied / nft -f ({spread(found['start'])})",
            shown("start"),
            shown("load"),
            middle["start"] / middle["load"],
            1.5,
        ),
        Result(
            f"one of 1,000 devices' policy / nft add element ({spread(found['policy'])})",
            shown("policy"),
            shown("element"),
            middle["policy"] / middle["element"],
            3.0,
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_inside())))
