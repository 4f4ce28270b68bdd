"""Mullvad's post-quantum keys in the lab: by netd, through the tunnel, make before break, and as the settings say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.providers.mullvad import MullvadProvider
from ci.benchmarks.switch import longest_silence
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, VPNS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump
from tests.lab.provider import LabProviders
from tests.support.pauses import least
from tests.support.providers.ephemeral_peer import EphemeralPeerService
from tests.support.providers.mullvad import ACCOUNT, Mullvad, relay, relay_list

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]

HOSTS = {"se-sto-wg-001": "vpn-se", "de-ber-wg-001": "vpn-de"}
SE, DE = HOSTS
Services = dict[str, EphemeralPeerService]


@pytest.fixture(scope="module")
def mullvad(lab: Lab) -> Iterator[tuple[Mullvad, Services]]:
    """Signed in: its two relays are the lab's servers, each with its key exchange. The failover is off."""
    relays = [relay(n, VPNS[h][0], lab.vpn.keys(h)["public_key"], ipv6_addr_in=VPNS[h][1]) for n, h in HOSTS.items()]
    stand_in = Mullvad(relays=relay_list(*relays))
    providers = LabProviders(lab)
    try:
        providers.serve(stand_in)
        services = {name: providers.serve_key_exchange(host) for name, host in HOSTS.items()}
        providers.configure({"mullvad": "https://api.mullvad.net"})
        providers.sign_in(MullvadProvider, {"account_number": ACCOUNT})
        assert lab.api("PATCH", "/api/settings", {"failover": {"enabled": False}})["failover"]["enabled"] is False
        assert lab.api("POST", "/api/provider/mullvad")["success"]
        yield stand_in, services
    finally:
        providers.stop()


@pytest.fixture
def services(lab: Lab, mullvad: tuple[Mullvad, Services]) -> Iterator[Services]:
    """The key exchanges, which work; no tunnel is up, and the setting is the default."""
    yield mullvad[1]
    for service in mullvad[1].values():
        service.fault = None
    lab.api("POST", "/api/disconnect")
    wish(lab, "prefer")


def wish(lab: Lab, value: str) -> None:
    assert lab.api("PUT", "/api/providers/mullvad/settings", {"post_quantum": value})["success"]


def connect(lab: Lab, server: str) -> dict[str, Any]:
    answer = lab.api("POST", "/api/connect", {"server": server})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"
    return lab.api("GET", "/api/status")


def seen_from(lab: Lab) -> str:
    return lab.hosts.http("laptop", f"http://{INTERNET4}/", check=False).strip()


def address(server: str) -> str:
    return VPNS[HOSTS[server]][0]


def on_the_relay(lab: Lab, server: str) -> dict[str, str]:
    """The preshared keys by peer, as the relay's WireGuard has them."""
    text = lab.hosts[HOSTS[server]].run("wg", "show", "wg0", "preshared-keys").stdout
    return dict(line.split("\t") for line in text.splitlines())


def test_tunnel_is_post_quantum_by_default_and_nothing_leaks(lab: Lab, services: Services) -> None:
    with LeakWatch(lab) as watch:
        status = connect(lab, SE)
        assert (status["post_quantum"], status["post_quantum_problem"]) == (True, None)
        assert seen_from(lab) == address(SE)
    assert watch.leaks == [], dump(watch.leaks)
    found = services[SE].registered[-1]
    assert on_the_relay(lab, SE)[found.ephemeral] == found.preshared
    assert services[SE].sources[-1].startswith("10.66.")
    query = "{ status { postQuantum exits { postQuantum postQuantumProblem } } }"
    answer = lab.api("POST", "/graphql", {"query": query})["data"]["status"]
    assert (answer["postQuantum"], answer["exits"][0]) == (True, {"postQuantum": True, "postQuantumProblem": None})
    for secret in (found.preshared, found.ephemeral):
        assert secret not in lab.gateway.logs()
        assert not any(secret in p.read_text(errors="replace") for p in lab.gateway.state_dir.rglob("*") if p.is_file())


def test_exchange_works_every_time(lab: Lab, services: Services) -> None:
    """A peer left in place while the key changed began a handshake of its own, and the relay ignored the next."""
    wish(lab, "require")
    for _ in range(6):
        assert connect(lab, SE)["post_quantum"] is True
        lab.api("POST", "/api/disconnect")


def test_switch_keeps_the_old_tunnel_until_the_new_one_is_post_quantum(
    lab: Lab, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    wish(lab, "require")

    def switch() -> float:
        connect(lab, SE)
        return longest_silence(lab, "laptop", lambda: connect(lab, DE))

    with LeakWatch(lab) as watch:
        silence = least(switch, 1500)
    assert watch.leaks == [], dump(watch.leaks)
    assert lab.api("GET", "/api/status")["post_quantum"] is True
    assert seen_from(lab) == address(DE)
    assert silence < 1500, f"{silence} ms"
    with capsys.disabled():
        print(f"\n  switch with a key exchange: longest silence {silence:.0f} ms")


def test_switch_whose_exchange_hangs_leaves_the_old_tunnel(lab: Lab, services: Services) -> None:
    """The devices stay on the old tunnel while the exchange waits, and after it failed."""
    wish(lab, "require")
    connect(lab, SE)
    services[DE].fault = "silent"
    asked = len(services[DE].requests)
    answers: list[Any] = []
    with LeakWatch(lab) as watch:
        switching = threading.Thread(
            target=lambda: answers.append(lab.api.request("POST", "/api/connect", {"server": DE}))
        )
        switching.start()
        wait_for("the exchange with the new relay", lambda: len(services[DE].requests) > asked, 20)
        assert lab.api("GET", "/api/status")["switching_to"] == DE
        assert seen_from(lab) == address(SE)
        switching.join(40)
        ((_, body),) = answers
        refused = json.loads(body)
        assert (refused["success"], refused["code"]) == (False, "post_quantum_failed"), refused
        assert seen_from(lab) == address(SE)
    assert watch.leaks == [], dump(watch.leaks)
    status = lab.api("GET", "/api/status")
    assert (status["server"], status["post_quantum"]) == (SE, True)


def blocked_for(lab: Lab) -> tuple[str, bool] | None:
    status = lab.api("GET", "/api/status")
    return (status["reason"], status["post_quantum"]) if status["state"] == "blocked" else None


@pytest.mark.parametrize("fault", ["busy", "other_secret"])
def test_required_exchange_that_fails_blocks_the_devices(lab: Lab, services: Services, fault: Any) -> None:
    wish(lab, "require")
    services[SE].fault = fault
    with LeakWatch(lab) as watch:
        _, body = lab.api.request("POST", "/api/connect", {"server": SE})
        refused = json.loads(body)
        assert refused["code"] == "post_quantum_failed", refused
        assert "which the settings require" in refused["error"]
        wait_for("it to be blocked for that", lambda: blocked_for(lab) == ("post_quantum_failed", False))  # it retries
        assert seen_from(lab) == ""
        # A relay that works again is found without anybody's help.
        services[SE].fault = None
        wait_for("the next attempt", lambda: lab.api("GET", "/api/status")["post_quantum"], 60)
        wait_for("the LAN", lambda: seen_from(lab) == address(SE))
    # While blocked, netd asks the provider whether the account is at fault; the LAN's hosts send nothing to that port.
    others = [p for p in watch.leaks if (p.protocol, p.destination, p.dport) != (6, INTERNET4, 443)]
    assert others == [], dump(others)


@pytest.mark.parametrize("fault", ["busy", "other_secret"])
def test_preferred_exchange_that_fails_connects_and_says_why(lab: Lab, services: Services, fault: Any) -> None:
    services[SE].fault = fault
    with LeakWatch(lab) as watch:
        status = connect(lab, SE)
        assert status["post_quantum"] is False
        said = "unavailable" if fault == "busy" else "did not complete a handshake"
        assert said in status["post_quantum_problem"]
        wait_for("the LAN", lambda: seen_from(lab) == address(SE))
    assert watch.leaks == [], dump(watch.leaks)


def test_exchange_that_is_off_is_not_made(lab: Lab, services: Services) -> None:
    wish(lab, "off")
    asked = len(services[SE].requests)
    status = connect(lab, SE)
    assert (status["post_quantum"], status["post_quantum_problem"]) == (False, None)
    assert len(services[SE].requests) == asked


def test_tunnel_outlives_netd_with_its_keys(lab: Lab, services: Services) -> None:
    """The keys are in the kernel alone; a restarted netd makes no exchange."""
    connect(lab, SE)
    asked = len(services[SE].requests)
    lab.gateway.restart_app()
    status = lab.api("GET", "/api/status")
    assert (status["server"], status["post_quantum"]) == (SE, True)
    assert seen_from(lab) == address(SE)
    assert len(services[SE].requests) == asked


def test_rotated_key_makes_its_own_exchange(lab: Lab, services: Services, mullvad: tuple[Mullvad, Services]) -> None:
    """On the same relay, whose ephemeral peer of the old key carries the devices until then."""
    connect(lab, SE)
    old = services[SE].registered[-1]
    assert lab.api("POST", "/api/providers/mullvad/rotate-key")["success"]
    new = services[SE].registered[-1]
    assert new.parent != old.parent
    assert [p["public_key"] for p in mullvad[0].peers()] == [new.parent]
    assert lab.api("GET", "/api/status")["post_quantum"] is True
    assert seen_from(lab) == address(SE)
    wait_for("the relay to forget the old peers", lambda: old.ephemeral not in on_the_relay(lab, SE))
