"""AirVPN and hide.me in the lab: keys made at the provider with a preshared key, and sessions that a server opens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.providers.airvpn import AirVpnProvider
from app.providers.airvpn_relays import PORTS
from app.providers.hideme import HideMeProvider
from ci.labnet import Lab, Packet
from ci.labnet.addresses import INTERNET4, VPN_PORT, VPNS
from tests.lab.leakwatch import LeakWatch, dump
from tests.lab.provider import RESOLVER, LabProviders
from tests.support.providers import airvpn, hideme

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

SE, DE = VPNS["vpn-se"], VPNS["vpn-de"]
# AirVPN's servers listen on a port of its own.
REDIRECT = f"""
table ip airvpn {{
    chain prerouting {{
        type nat hook prerouting priority dstnat
        udp dport {PORTS[0]} redirect to :{VPN_PORT}
    }}
}}
"""


@pytest.fixture(scope="module")
def stand_ins(lab: Lab) -> Iterator[tuple[airvpn.AirVpn, hideme.HideMe]]:
    """Signed in to both: AirVPN's server is the one in Sweden, hide.me's the one in Germany."""
    providers = LabProviders(lab)
    try:
        lab.hosts["vpn-se"].shell(f"nft -f - <<'END'\n{REDIRECT}\nEND\n")
        air = airvpn.AirVpn(
            servers=airvpn.server_list(airvpn.server("Ain", SE[0], ip_v6_in1="")),
            server_key=lab.vpn.keys("vpn-se")["public_key"],
            dns=RESOLVER,
        )
        hide = hideme.HideMe(
            names=("hideservers.net",),
            server_key=lab.vpn.keys("vpn-de")["public_key"],
            port_to_dial=VPN_PORT,
            connected={"DNS": [RESOLVER]},
        )
        listed = hideme.HideMe(names=("hideservers.net", "api.hide.me"), tokens=hide.tokens)
        providers.serve(air)
        air.on_change()
        providers.serve(listed, port=8443)
        providers.serve(hide, host="vpn-de")  # each of hide.me's servers has the API
        providers.configure(
            {
                "airvpn": "https://airvpn.org",
                "hideme": "https://any.hideservers.net:8443/v1",
                "hideme-list": "https://api.hide.me:8443",
                "hideme-server": "https://server.invalid/v1",
            },
            {"hideme-server": DE[0]},
        )
        providers.sign_in(AirVpnProvider, {"api_key": airvpn.API_KEY, "device": "Gateway"})
        providers.sign_in(HideMeProvider, {"username": hideme.USER, "password": hideme.PASSWORD})
        yield air, hide
    finally:
        providers.stop()


def connect(lab: Lab, provider: str, server: str) -> None:
    assert lab.api("POST", f"/api/provider/{provider}")["success"]
    answer = lab.api("POST", "/api/connect", {"server": server})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"


def seen_from(lab: Lab) -> str:
    return lab.hosts.http("laptop", f"http://{INTERNET4}/").strip()


def to_airvpn(packet: Packet) -> bool:
    """WireGuard to AirVPN's port, which the capture does not know."""
    is_wireguard = packet.payload[:1] in {b"\x01", b"\x02", b"\x04"} and packet.payload[1:4] == bytes(3)
    return is_wireguard and (packet.protocol, packet.destination, packet.dport) == (17, SE[0], PORTS[0])


def test_the_lan_goes_out_by_airvpn_and_by_hide_me(lab: Lab, stand_ins: tuple[airvpn.AirVpn, hideme.HideMe]) -> None:
    _, hide = stand_ins
    with LeakWatch(lab) as watch:
        connect(lab, "airvpn", "Ain")
        assert seen_from(lab) == SE[0]
        connect(lab, "hideme", "se")  # its server is asked through the tunnel to the other
        assert seen_from(lab) == DE[0]
        connect(lab, "airvpn", "Ain")
        assert seen_from(lab) == SE[0]
        lab.api("POST", "/api/disconnect")
    assert watch.counts["from the gateway"] > 0
    others = [packet for packet in watch.leaks if not to_airvpn(packet)]
    assert len(others) < len(watch.leaks)
    assert others == [], dump(others)
    assert [session.host for session in hide.sessions.values()] == ["se"]
    (token,) = hide.tokens
    logs = lab.gateway.logs()
    assert not [secret for secret in (airvpn.API_KEY, hideme.PASSWORD, token, *hide.sessions) if secret in logs]
