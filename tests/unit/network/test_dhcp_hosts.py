"""The records of known devices: names kept and freed, addresses in use, and who has been here before."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest

from app.model import Device, LanSettings, Lease
from app.network.dhcp_hosts import FORGET_AFTER, MAX_RECORDS, HostRegistry, given_names, label, reservations

A, B, C = (f"02:00:00:00:00:0{n}" for n in "abc")
NOW = 1_000_000.0
RESERVED = ("vpn-gateway", "wpad")


def lease(mac: str, name: str | None = None, *, left: float = 600, address: str = "192.168.77.30") -> Lease:
    return Lease(mac, address, name, NOW + left)


class Records:
    def __init__(self) -> None:
        self.registry = HostRegistry()

    def after(self, *leases: Lease, given=None, in_use=None, fixed=None, now: float = NOW) -> set[str]:
        """The lines after an update."""
        self.registry.update(
            leases,
            given=given or {},
            reserved=RESERVED,
            in_use=in_use or {},
            fixed=fixed or {},
            longest_first=600,
            now=now,
        )
        return {record.line() for record in self.registry.records.values()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Anna's TV", "anna-s-tv"),
        ("Küche", "kuche"),
        ("  NAS  ", "nas"),
        ("nas.lan\nserver=1.2.3.4", "nas-lan-server-1-2-3-4"),
        ("x" * 64, "x" * 63),
        ("a" * 62 + " b", "a" * 62),
        ("テレビ", None),
        ("---", None),
    ],
)
def test_host_name_of_a_device_that_people_named(name, expected):
    assert label(name) == expected


def test_given_names_are_unique_and_not_reserved():
    devices = (Device(A, name="TV"), Device(B, name="tv"), Device(C, name="WPAD"), Device("02:00:00:00:00:01"))
    assert given_names(devices, RESERVED) == {A: "tv"}


def test_name_belongs_to_the_first_device_until_its_lease_ends():
    records = Records()
    assert records.after(lease(A, "Laptop")) == {f"{A},laptop"}
    assert records.after(lease(A), lease(B, "laptop")) == {f"{A},laptop"}
    assert records.after(lease(B, "laptop")) == {A, f"{B},laptop"}
    assert records.after(lease(A, "other"), lease(B, "laptop")) == {f"{A},other", f"{B},laptop"}


def test_given_name_is_taken_from_the_device_that_had_it():
    records = Records()
    records.after(lease(A, "tv"))
    assert records.after(lease(A, "tv"), given={B: "tv"}) == {A, f"{B},tv"}
    assert records.after(lease(A, "tv"), lease(B, "android"), given={B: "tv"}) == {A, f"{B},tv"}


@pytest.mark.parametrize("name", ["wpad", "vpn-gateway", "a_b", "a.b", "*"])
def test_no_device_is_recorded_with_such_a_name(name):
    assert Records().after(lease(A, name)) == set()


def test_device_becomes_regular_after_the_clock_was_set_back():
    records, back = Records(), NOW - 3 * 86_400
    assert records.after(lease(A)) == set()
    assert records.after(lease(A, left=600 - 3 * 86_400), now=back) == set()
    assert records.after(lease(A, left=700 - 3 * 86_400), now=back + 100) == {f"{A},set:regular"}


def test_device_is_regular_once_it_has_renewed_its_lease():
    records = Records()
    assert records.after(lease(A)) == set()
    assert records.after(lease(A, left=601)) == set()
    assert records.after(lease(A, left=900)) == {f"{A},set:regular"}
    assert records.after(lease(A, left=10)) == {f"{A},set:regular"}
    assert Records().after(lease(B, left=43_000)) == {f"{B},set:regular"}  # before netd started
    assert Records().after(Lease(C, "192.168.77.31", None, 0)) == {f"{C},set:regular"}  # for ever


def test_address_in_use_is_recorded_once():
    records, used = Records(), IPv4Address("192.168.77.30")
    assert records.after(in_use={A: used}) == {f"{A},192.168.77.30"}
    assert records.after(in_use={A: used, B: used}) == {f"{A},192.168.77.30"}
    assert records.after(lease(A, "nas")) == {f"{A},nas"}  # by DHCP from now on
    assert Records().after(lease(B), in_use={A: used}) == set()  # leased to another device already


def test_next_process_takes_the_records_over():
    records = Records()
    before = records.after(lease(A, "nas", left=43_000), in_use={B: IPv4Address("192.168.77.99")})
    again = Records()
    again.registry.adopt(before)
    assert again.after(lease(A, left=43_000), lease(C, "nas")) == {f"{A},set:regular,nas", f"{B},192.168.77.99"}


def test_records_are_bounded_and_forgotten():
    records = Records()
    many = [lease(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", f"n{n}") for n in range(MAX_RECORDS + 50)]
    assert len(records.after(*many)) == MAX_RECORDS
    assert len(records.after(now=NOW + FORGET_AFTER - 1)) == MAX_RECORDS
    assert records.after(now=NOW + FORGET_AFTER + 1) == set()


FIXED = IPv4Address("192.168.77.50")


def test_fixed_address_is_in_the_record_whatever_the_lease_is():
    records = Records()
    assert records.after(lease(A, "nas"), fixed={A: FIXED}) == {f"{A},set:regular,{FIXED}"}
    # Also once it has its lease: dnsmasq would refuse another version of the record.
    assert records.after(lease(A, "nas", address=str(FIXED)), fixed={A: FIXED}) == {f"{A},set:regular,{FIXED}"}
    assert records.after(given={A: "files"}, fixed={A: FIXED}) == {f"{A},set:regular,{FIXED},files"}


def test_fixed_address_is_in_one_record_only():
    records = Records()
    assert records.after(in_use={B: FIXED}) == {f"{B},{FIXED}"}
    assert records.after(in_use={B: FIXED}, fixed={A: FIXED}) == {B, f"{A},set:regular,{FIXED}"}


def test_address_that_is_fixed_no_longer_leaves_the_record():
    records = Records()
    records.after(fixed={A: FIXED})
    assert records.after() == {f"{A},set:regular"}


def test_fixed_address_outside_the_present_lan_is_not_used():
    devices = (Device(A, address=FIXED), Device(B, address=IPv4Address("10.9.9.9")))
    assert reservations(devices, LanSettings()) == {A: FIXED}


@pytest.mark.parametrize("now", [f"{FIXED}/24", "192.168.77.1/27"])
def test_fixed_address_that_became_the_gateway_s_is_not_used(now):
    """An address of before a change of the LAN: now the gateway's own, or the one of broadcasts."""
    devices = (Device(A, address=FIXED), Device(B, address=IPv4Address("192.168.77.31")))
    left = reservations(devices, LanSettings(IPv4Interface(now)))
    assert left == ({B: IPv4Address("192.168.77.31")} if now.endswith("/24") else {})


def test_forgotten_device_has_no_record():
    records = Records()
    records.after(lease(A, "nas", left=7200), now=NOW)
    records.registry.forget(A)
    assert records.after() == set()
