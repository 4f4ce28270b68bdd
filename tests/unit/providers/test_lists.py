"""Real lists, whole: every entry is either a server or left out with its reason. And lists that ship with an image."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from app.providers import ivpn_relays, mullvad_relays, nordvpn, ship
from app.providers.azirevpn import parse as parse_azire
from app.providers.errors import BadAnswerError
from app.providers.lists import KeptList
from app.providers.mullvad import MullvadProvider
from app.providers.relays import Guard, RelayList
from tests.support.providers.keys import key
from tests.support.providers.nordvpn import server
from tests.support.providers.world import World

DATA = Path(__file__).parents[4] / "shared" / "data"
FIXTURES = DATA / "api-fixtures"
RELAYS = DATA / "relays"
MULLVAD = next(iter(RELAYS.glob("mullvad-app-v1-relays-*.json")))
IVPN = RELAYS / "ivpn-v5-servers.json"


def reasons(found: RelayList) -> Counter[tuple[str, bool]]:
    return Counter((entry.reason, entry.bad) for entry in found.skipped)


def test_every_list_we_have_is_tested_here() -> None:
    assert {p.name for p in RELAYS.glob("*.json")} == {MULLVAD.name, IVPN.name}


def test_mullvads_list() -> None:
    raw = json.loads(MULLVAD.read_bytes())
    relays, others = raw["wireguard"]["relays"], raw["openvpn"]["relays"] + raw["bridge"]["relays"]
    found = mullvad_relays.parse(MULLVAD.read_bytes(), None, Guard())
    assert len(found.relays) + len(found.skipped) == len(relays) + len(others)
    inactive = sum(not r["active"] for r in relays)
    assert len(found.relays) == len(relays) - inactive
    assert {r.hostname for r in found.relays} == {r["hostname"] for r in relays if r["active"]}
    assert (
        reasons(found)
        == Counter(
            {
                ("it is not active", False): inactive,
                ("it speaks OpenVPN, not WireGuard", False): len(raw["openvpn"]["relays"]),
                ("it is a bridge, not a WireGuard server", False): len(raw["bridge"]["relays"]),
            }
        )
        - Counter()
    )
    assert found.port_ranges == tuple(sorted(tuple(r) for r in raw["wireguard"]["port_ranges"]))
    assert found.general == {"dns4": raw["wireguard"]["ipv4_gateway"], "dns6": raw["wireguard"]["ipv6_gateway"]}
    by_name = {r["hostname"]: r for r in relays}
    for relay in found.relays:
        theirs = by_name[relay.hostname]
        place = raw["locations"][theirs["location"]]
        assert (relay.ipv4, relay.public_key) == (theirs["ipv4_addr_in"], theirs["public_key"])
        assert (relay.country, relay.city) == (place["country"], place["city"])
        assert (relay.ipv6 is not None) == bool(theirs.get("ipv6_addr_in"))


def test_ivpns_list() -> None:
    raw = json.loads(IVPN.read_bytes())
    hosts = [h for g in raw["wireguard"] for h in g["hosts"]]
    others = [h for g in raw["openvpn"] for h in g["hosts"]]
    found = ivpn_relays.parse(IVPN.read_bytes(), Guard())
    assert {r.hostname for r in found.relays} == {h["hostname"] for h in hosts}
    assert reasons(found) == Counter({("it speaks OpenVPN, not WireGuard", False): len(others)})
    assert {r.details["dns"] for r in found.relays} == {"172.16.0.1"}
    assert all(r.multihop_port and r.load is not None for r in found.relays)
    assert (2049, 2049) in found.port_ranges
    assert (30000, 65000) in found.port_ranges
    assert set(found.general) == {"dns_trackers", "dns_hardcore"}


def test_nords_sample_has_no_wireguard_and_says_so() -> None:
    data = (FIXTURES / "nordvpn-v1-servers-sample.json").read_bytes()
    with pytest.raises(BadAnswerError, match="no usable server"):
        nordvpn.parse(data, Guard())
    with_one = json.loads(data)
    with_one.append(server("se1.nordvpn.com", "185.236.42.10", key(1)))
    found = nordvpn.parse(json.dumps(with_one).encode(), Guard())
    assert [r.hostname for r in found.relays] == ["se1.nordvpn.com"]
    assert [(s.entry, s.reason) for s in found.skipped] == [
        (entry["hostname"], "it does not speak WireGuard") for entry in json.loads(data)
    ]


def test_azires_sample() -> None:
    found = parse_azire((FIXTURES / "azire-v3-locations-200.json").read_bytes(), Guard())
    (relay,) = found.relays
    assert (relay.hostname, relay.endpoint_name, relay.location) == (
        "se-sto",
        "se-sto.azirevpn.net",
        "Stockholm, Sweden",
    )


# --- Lists that come with the image ----------------------------------------------------------------------------------


async def test_a_shipped_list_is_what_a_provider_starts_with(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.shipped = tmp_path / "shipped"
    assert ship.main(["--to", str(world.shipped), f"mullvad={MULLVAD}", f"ivpn={IVPN}"]) == 0
    told = capsys.readouterr()
    assert "ivpn: 88 servers" in told.out
    assert told.err.count("OpenVPN") > 100
    assert (world.shipped / "mullvad.json").stat().st_mode & 0o777 == 0o644
    provider = MullvadProvider(world.environment())
    assert (await provider.list_status()).source == "shipped"
    assert provider.due(world.environment().now()) == frozenset()  # nobody signed in: nobody is contacted
    servers = await provider.servers()
    assert {s.missing for s in servers} == {("account",)}
    assert len(servers) == len(mullvad_relays.parse(MULLVAD.read_bytes(), None, Guard()).relays)


def test_shipping_what_is_no_list_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad").write_text("{}")
    assert ship.main(["--to", str(tmp_path), f"mullvad={tmp_path / 'bad'}"]) == 1
    assert "another shape" in capsys.readouterr().err
    assert KeptList(tmp_path, None, "mullvad").load() == (None, "none")
    with pytest.raises(SystemExit):
        ship.main(["--to", str(tmp_path), "nobody=x"])
