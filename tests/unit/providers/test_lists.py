"""Whole server lists: every entry is a server or skipped with a reason. Also the lists bundled with an image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from app.providers import bundle_lists, ivpn_relays, mullvad_relays, nordvpn_relays
from app.providers.azirevpn_relays import parse as parse_azire
from app.providers.errors import BadAnswerError
from app.providers.mullvad import MullvadProvider
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.cache import ListCache
from app.providers.server_list.relay import RelayList
from tests.support import relaylists
from tests.support.providers.keys import key
from tests.support.providers.nordvpn import server
from tests.support.providers.world import World

API = Path(__file__).parents[2] / "data" / "api"
NORD = API / "nordvpn-v1-servers-without-wireguard.json"
AZIRE = API / "azire-v3-locations.json"
SIZES = pytest.mark.parametrize("entries", [500, 10_000])


def reasons(found: RelayList) -> Counter[tuple[str, bool]]:
    return Counter((entry.reason, entry.bad) for entry in found.skipped)


def expected(flaws: tuple[relaylists.Flaw, ...], each: int) -> Counter[tuple[str, bool]]:
    found: Counter[tuple[str, bool]] = Counter()
    for flaw in flaws:
        found[flaw.reason, flaw.bad] += each
    return found


def test_lists_in_the_test_data_are_all_tested() -> None:
    assert set(relaylists.LISTS) == {"mullvad", "ivpn"}
    assert {p for p in API.glob("*.json") if not p.name.startswith("am-i-")} == {NORD, AZIRE}


@pytest.mark.parametrize("make", relaylists.LISTS.values(), ids=relaylists.LISTS)
def test_generated_list_of_one_seed_is_always_the_same(make: Callable[[int, int], relaylists.Made]) -> None:
    assert make(500, 1) == make(500, 1)
    assert make(500, 1).data != make(500, 2).data


@SIZES
def test_mullvads_list_gives_a_server_or_a_reason_per_entry(entries: int) -> None:
    made = relaylists.mullvad(entries)
    raw = json.loads(made.data)
    relays, others = raw["wireguard"]["relays"], raw["openvpn"]["relays"] + raw["bridge"]["relays"]
    assert len(relays) == entries
    found = mullvad_relays.parse(made.data, None, AddressPolicy())
    unreadable_places = 1
    assert len(found.relays) + len(found.skipped) == len(relays) + len(others) + unreadable_places
    each = entries // 250
    assert len(found.relays) == len(relays) - each * len(relaylists.MULLVAD_FLAWS)
    assert [r.hostname for r in found.relays] == list(made.good)
    assert reasons(found) == expected(relaylists.MULLVAD_FLAWS, each) + Counter(
        {
            ("it speaks OpenVPN, not WireGuard", False): entries // 4,
            ("it is a bridge, not a WireGuard server", False): entries // 25,
            ("Object missing required field `hostname`", True): 1,  # among the OpenVPN servers
            ("Expected `str`, got `int` - at `$.city`", True): unreadable_places,
        }
    )
    assert found.skipped == made.left_out
    assert found.port_ranges == tuple(sorted(tuple(r) for r in raw["wireguard"]["port_ranges"]))
    assert found.general == {"dns4": raw["wireguard"]["ipv4_gateway"], "dns6": raw["wireguard"]["ipv6_gateway"]}
    for relay in found.relays:
        theirs = made.good[relay.hostname]
        place = raw["locations"][theirs["location"]]
        assert (relay.ipv4, relay.public_key) == (theirs["ipv4_addr_in"], theirs["public_key"])
        assert (relay.country, relay.city) == (place["country"], place["city"])
        assert (relay.ipv6 is not None) == bool(theirs.get("ipv6_addr_in"))


@SIZES
def test_ivpns_list_gives_a_server_or_a_reason_per_entry(entries: int) -> None:
    made = relaylists.ivpn(entries)
    raw = json.loads(made.data)
    gateways = [g for g in raw["wireguard"] if isinstance(g, dict)]
    assert sum(len(g.get("hosts", ())) for g in gateways) == entries
    others = [h for g in raw["openvpn"] for h in g["hosts"]]
    found = ivpn_relays.parse(made.data, AddressPolicy())
    each = entries // 250
    assert len(found.relays) == entries - each * len(relaylists.IVPN_FLAWS)
    assert [r.hostname for r in found.relays] == list(made.good)
    assert reasons(found) == expected(relaylists.IVPN_FLAWS, each) + Counter(
        {
            ("it speaks OpenVPN, not WireGuard", False): len(others),
            ("Expected `object`, got `null`", True): 1,  # three invalid gateways
            ("Object missing required field `hosts`", True): 1,
            ("Expected `str`, got `int` - at `$.country`", True): 1,
        }
    )
    assert found.skipped == made.left_out
    assert {r.details["dns"] for r in found.relays} == {"172.16.0.1"}
    assert all(r.multihop_port and r.load is not None for r in found.relays)
    assert (2049, 2049) in found.port_ranges
    assert (30000, 65000) in found.port_ranges
    assert set(found.general) == {"dns_trackers", "dns_hardcore"}
    for relay in found.relays:
        theirs = made.good[relay.hostname]
        assert (relay.ipv4, relay.public_key) == (theirs["host"], theirs["public_key"])


def test_nordvpns_servers_without_wireguard_are_skipped() -> None:
    data = NORD.read_bytes()
    with pytest.raises(BadAnswerError, match="no usable server"):
        nordvpn_relays.parse(data, AddressPolicy())
    with_one = json.loads(data)
    with_one.append(server("se1.nordvpn.com", "185.236.42.10", key(1)))
    found = nordvpn_relays.parse(json.dumps(with_one).encode(), AddressPolicy())
    assert [r.hostname for r in found.relays] == ["se1.nordvpn.com"]
    assert [(s.entry, s.reason) for s in found.skipped] == [
        (entry["hostname"], "it does not speak WireGuard") for entry in json.loads(data)
    ]


def test_azirevpns_list_gives_name_and_location() -> None:
    found = parse_azire(AZIRE.read_bytes(), AddressPolicy())
    (relay,) = found.relays
    assert (relay.hostname, relay.endpoint_name, relay.location) == (
        "se-sto",
        "se-sto.azirevpn.net",
        "Stockholm, Sweden",
    )


# --- Lists in the image ----------------------------------------------------------------------------------------------


async def test_bundled_list_is_used_before_the_first_fetch(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.shipped = tmp_path / "shipped"
    mullvad, ivpn = relaylists.mullvad(500), relaylists.ivpn(500)
    (tmp_path / "relays.json").write_bytes(mullvad.data)
    (tmp_path / "servers.json").write_bytes(ivpn.data)
    lists = (f"mullvad={tmp_path / 'relays.json'}", f"ivpn={tmp_path / 'servers.json'}")
    assert bundle_lists.main(["--to", str(world.shipped), *lists]) == 0
    output = capsys.readouterr()
    assert f"mullvad: {len(mullvad.good)} servers, {len(mullvad.left_out)} entries left out\n" in output.out
    assert f"ivpn: {len(ivpn.good)} servers, {len(ivpn.left_out)} entries left out\n" in output.out
    assert output.err.count("OpenVPN") == 500 // 4 + 500
    assert (world.shipped / "mullvad.json").stat().st_mode & 0o777 == 0o644
    provider = MullvadProvider(world.environment())
    assert (await provider.list_status()).source == "shipped"
    assert provider.due(world.environment().now()) == frozenset()  # without an account the provider is never contacted
    servers = await provider.servers()
    assert {s.missing for s in servers} == {("account",)}
    assert [s.hostname for s in servers] == list(mullvad.good)


async def test_bundling_an_invalid_list_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad").write_text("{}")
    assert bundle_lists.main(["--to", str(tmp_path), f"mullvad={tmp_path / 'bad'}"]) == 1
    assert "unexpected" in capsys.readouterr().err
    assert await ListCache(tmp_path, None, "mullvad").load() == (None, "none")
    with pytest.raises(SystemExit):
        bundle_lists.main(["--to", str(tmp_path), "nobody=x"])
