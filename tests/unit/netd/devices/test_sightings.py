"""Who is seen, when first and last, by which addresses, and who is here."""

from __future__ import annotations

from ipaddress import ip_address

from app.model import Lease, Neighbour, SeenDevice
from app.netd.devices.mdns import Heard
from app.netd.devices.mdns_message import Announcement
from app.netd.devices.sightings import (
    ASK_AFTER,
    FORGET_AFTER,
    FORGET_RANDOMISED_AFTER,
    MAX_SEEN,
    ONLINE_FOR,
    Sightings,
    Signs,
)

NAS, PHONE, TV = "00:11:32:00:00:01", "02:00:00:00:00:02", "00:00:5e:00:00:03"
NOW = 1_700_000_000.0


def signs(after: float = 0.0, *, leases=(), neighbours=(), sending=(), heard=()) -> Signs:
    return Signs(NOW + after, 1000.0 + after, tuple(leases), tuple(neighbours), sending, tuple(heard))


def neighbour(mac: str, address: str, seen: float = 0.0) -> Neighbour:
    return Neighbour(mac, address, NOW + seen)


def test_device_with_a_fixed_address_and_ipv6_only_appears():
    sightings = Sightings()
    changes = sightings.observe(signs(neighbours=[neighbour(NAS, "fe80::1"), neighbour(NAS, "fd12::1")]), ())
    assert changes == [(NAS, "appeared")]
    nas = sightings.get(NAS)
    assert nas is not None
    assert (nas.online, nas.first_seen, nas.addresses) == (True, NOW, ("fd12::1", "fe80::1"))


def test_device_goes_and_comes_back():
    sightings = Sightings()
    here = [neighbour(NAS, "192.168.77.9")]
    sightings.observe(signs(neighbours=here), ())
    assert sightings.observe(signs(ONLINE_FOR - 1, neighbours=here), ()) == []
    assert sightings.observe(signs(ONLINE_FOR, neighbours=here), ()) == [(NAS, "offline")]
    gone = sightings.get(NAS)
    assert gone is not None
    assert (gone.last_seen, gone.addresses) == (NOW, ("192.168.77.9",))
    back = [neighbour(NAS, "192.168.77.9", 500)]
    assert sightings.observe(signs(500, neighbours=back), ()) == [(NAS, "online")]
    again = sightings.get(NAS)
    assert again is not None
    assert (again.first_seen, again.last_seen) == (NOW, NOW + 500)


def test_lease_is_a_sign_when_it_is_given_or_renewed():
    sightings = Sightings()
    old = Lease(PHONE, "192.168.77.30", "phone", NOW + 60)
    assert sightings.observe(signs(leases=[old]), ()) == [(PHONE, "appeared")]
    phone = sightings.get(PHONE)
    assert phone is not None
    assert not phone.online  # when it was given is not known
    renewed = Lease(PHONE, "192.168.77.30", "phone", NOW + 600)
    assert sightings.observe(signs(2, leases=[renewed]), ()) == [(PHONE, "online")]
    new = Lease(TV, "192.168.77.31", "tv", NOW + 600)
    assert sightings.observe(signs(4, leases=[renewed, new]), ()) == [(TV, "appeared")]
    tv = sightings.get(TV)
    assert tv is not None
    assert (tv.online, tv.hostname, tv.kind) == (True, "tv", "tv")


def test_traffic_and_mdns_are_signs():
    sightings = Sightings()
    here = [neighbour(NAS, "192.168.77.9"), neighbour(TV, "192.168.77.10")]
    sightings.observe(signs(neighbours=here), ())
    told = Announcement(
        {ip_address("192.168.77.9"): "files", ip_address("192.168.77.10"): "nas"}, frozenset({"_smb._tcp"})
    )
    heard = Heard(ip_address("192.168.77.9"), told)
    sightings.observe(signs(ONLINE_FOR + 5, neighbours=here, sending=[TV], heard=[heard]), ())
    nas, tv = sightings.get(NAS), sightings.get(TV)
    assert nas is not None
    assert tv is not None
    assert (nas.online, tv.online) == (True, True)
    assert (nas.hostname, nas.services, tv.hostname) == ("files", ("_smb._tcp",), None)  # nobody names another


def test_device_that_speaks_mdns_alone_is_asked_for():
    sightings = Sightings()
    sightings.observe(signs(heard=[Heard(ip_address("fe80::77"), Announcement({}, frozenset()))]), ())
    assert sightings.devices == ()
    assert sightings.silent(1000.0) == ["fe80::77"]
    assert sightings.silent(1000.0) == []


def test_silent_device_is_asked_whether_it_is_here():
    sightings = Sightings()
    here = [neighbour(NAS, "fe80::9"), neighbour(NAS, "192.168.77.9")]
    sightings.observe(signs(neighbours=here), ())
    assert sightings.silent(1000.0 + ASK_AFTER - 1) == []
    assert sightings.silent(1000.0 + ASK_AFTER) == ["192.168.77.9"]


def test_gateway_itself_and_groups_are_no_devices():
    sightings = Sightings()
    found = [neighbour(NAS, "192.168.77.1"), neighbour("01:00:5e:00:00:01", "192.168.77.3")]
    assert sightings.observe(signs(neighbours=found), (), {NAS}) == []
    assert sightings.devices == ()


def test_forgotten_device_returns_as_of_its_last_sign():
    sightings = Sightings()
    here = [neighbour(NAS, "192.168.77.9", -20)]
    sightings.observe(signs(neighbours=here), ())
    sightings.forget(NAS)
    sightings.observe(signs(5, neighbours=here), ())
    nas = sightings.get(NAS)
    assert nas is not None
    assert (nas.first_seen, nas.last_seen) == (NOW - 20, NOW - 20)


def test_forgotten_device_is_had_back_where_that_is_undone():
    sightings = Sightings()
    here = [neighbour(NAS, "192.168.77.9")]
    sightings.observe(signs(neighbours=here), ())
    before = sightings.devices
    assert sightings.forget(NAS)
    sightings.restore(before)
    assert sightings.devices == before
    assert sightings.observe(signs(2, neighbours=here), ()) == []


def test_set_clock_takes_nobody_away():
    sightings = Sightings()
    here = neighbour(NAS, "192.168.77.9")
    sightings.observe(signs(neighbours=[here]), ())
    later = Signs(NOW + 90 * 86400, 1002.0, (), (here,))
    assert sightings.observe(later, ()) == []
    back = Signs(NOW - 90 * 86400, 1004.0, (), (here,))
    assert sightings.observe(back, ()) == []


def test_invented_devices_do_not_push_out_those_with_settings():
    kept = {f"00:00:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(1, 11)}
    before = tuple(SeenDevice(mac, NOW, NOW) for mac in sorted(kept))
    sightings = Sightings(before)
    for start in range(0, 3000, 500):
        macs = [f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}" for n in range(start, start + 500)]
        found = [neighbour(mac, f"192.168.{n >> 8}.{n & 255}", start) for n, mac in enumerate(macs)]
        sightings.observe(signs(start, neighbours=found), kept)
        assert len(sightings.devices) <= MAX_SEEN
    assert kept <= {device.mac for device in sightings.devices}


def test_devices_not_seen_for_long_are_forgotten():
    sightings = Sightings([SeenDevice(mac, NOW, NOW) for mac in (NAS, PHONE, TV)])
    sightings.observe(Signs(NOW + FORGET_RANDOMISED_AFTER + 1, 5.0), {TV})
    assert {d.mac for d in sightings.devices} == {NAS, TV}
    sightings.observe(Signs(NOW + FORGET_AFTER + 1, 6.0), {TV})
    assert {d.mac for d in sightings.devices} == {TV}
