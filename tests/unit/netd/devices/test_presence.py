"""A device that comes and goes all the time is told of once in ten minutes, and what is told last is right."""

from __future__ import annotations

import pytest

from app.netd.devices.presence import HOLD, MOST, Presence, PresenceFilter

TV, PHONE = "02:00:00:00:00:01", "02:00:00:00:00:02"
AT = 1_800_000_000.0  # Unix time at the clock's zero


class Lan:
    def __init__(self, told: dict[str, bool] | None = None) -> None:
        self.clock = 0.0
        self.filter = PresenceFilter(told or {}, 0.0)
        self.told: list[tuple[float, str, bool, float]] = []  # when, who, what, since

    def see(self, mac: str, *, online: bool) -> None:
        seen = Presence(mac, online, AT + self.clock)
        if self.filter.observe(seen, self.clock):
            self._tell(seen)

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds / 10)):
            self.clock += 10
            for seen in self.filter.due(self.clock):
                self._tell(seen)

    def _tell(self, seen: Presence) -> None:
        self.told.append((self.clock, seen.mac, seen.online, seen.time - AT))


def test_what_is_rare_is_told_at_once() -> None:
    lan = Lan()
    for online in (True, False, True):
        lan.see(TV, online=online)
        lan.wait(HOLD)
    assert lan.told == [(0, TV, True, 0), (HOLD, TV, False, HOLD), (2 * HOLD, TV, True, 2 * HOLD)]


def test_what_stays_is_told_later_with_its_own_time() -> None:
    lan = Lan()
    lan.see(TV, online=True)
    lan.wait(100)
    lan.see(TV, online=False)
    lan.wait(HOLD)
    assert lan.told == [(0, TV, True, 0), (HOLD, TV, False, 100)]


def test_what_was_taken_back_meanwhile_is_not_told() -> None:
    lan = Lan()
    lan.see(TV, online=True)
    lan.wait(100)
    lan.see(TV, online=False)
    lan.wait(100)
    lan.see(TV, online=True)
    lan.wait(10 * HOLD)
    assert lan.told == [(0, TV, True, 0)]


def test_flapping_device_is_told_of_once_in_ten_minutes() -> None:
    lan = Lan()
    for number in range(241):  # two hours
        lan.see(TV, online=number % 2 == 0)
        lan.wait(30)
    assert len(lan.told) <= 2 * 3600 / HOLD + 1
    assert all(b[0] - a[0] >= HOLD for a, b in zip(lan.told, lan.told[1:], strict=False))
    lan.see(TV, online=False)
    lan.wait(HOLD)
    assert lan.told[-1][2] is False


def test_device_that_stayed_over_a_restart_is_not_told_of() -> None:
    lan = Lan({TV: True, PHONE: False})
    lan.wait(60)
    lan.see(TV, online=True)
    lan.see(PHONE, online=True)
    assert lan.told == [(60, PHONE, True, 60)]
    lan.wait(60)
    lan.see(TV, online=False)
    assert lan.told[1:] == [(120, TV, False, 120)]


def test_device_that_comes_long_after_a_restart_is_told_of() -> None:
    lan = Lan({TV: True})
    lan.wait(HOLD)
    lan.see(TV, online=True)
    assert lan.told == [(HOLD, TV, True, HOLD)]


def test_new_device_that_comes_or_goes_is_told_of_at_once() -> None:
    lan = Lan()
    lan.filter.appeared(TV, online=False)
    lan.filter.appeared(PHONE, online=True)
    lan.see(TV, online=True)
    lan.see(PHONE, online=True)
    lan.see(PHONE, online=False)
    assert [each[1:3] for each in lan.told] == [(TV, True), (PHONE, False)]


def test_what_is_held_back_can_be_taken_before() -> None:
    lan = Lan()
    for mac in (TV, PHONE):
        lan.see(mac, online=True)
    lan.wait(10)
    for mac in (TV, PHONE):
        lan.see(mac, online=False)
    assert list(lan.filter.take(TV, lan.clock)) == [Presence(TV, False, AT + 10)]
    assert list(lan.filter.take(TV, lan.clock)) == []
    assert list(lan.filter.all(lan.clock)) == [Presence(PHONE, False, AT + 10)]


@pytest.mark.parametrize("forgotten", [True, False])
def test_forgotten_device_is_as_one_never_seen(*, forgotten: bool) -> None:
    lan = Lan()
    lan.see(TV, online=True)
    if forgotten:
        lan.filter.forget(TV)
    lan.see(TV, online=False)
    assert len(lan.told) == (2 if forgotten else 1)


def test_invented_devices_take_no_room_for_ever() -> None:
    lan = Lan()
    for number in range(MOST + 100):
        lan.see(f"02:00:00:00:{number // 256:02x}:{number % 256:02x}", online=True)
    assert len(lan.filter._told) == MOST
