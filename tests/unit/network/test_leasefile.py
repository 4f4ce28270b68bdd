"""Leases after the clock was set: moved as far as it, and whoever came after the step keeps what he was given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.network.leasefile import Step, shift_leases

NOW, LONGEST, DAY = 1_800_000_000, 43_200, 86_400
PHONE, TV, NEW = "02:00:00:00:00:12", "02:00:00:00:00:13", "02:00:00:00:00:99"
DUID = "duid 00:01:00:01:32:97:57:18:02:00:00:00:00:01"


def file(*leases: tuple[int, str, str]) -> str:
    return "".join(f"{expiry} {mac} {address} * 01:{mac}\n" for expiry, mac, address in leases)


@pytest.mark.parametrize("step", [100, 3 * DAY, 4000 * DAY])
def test_a_clock_set_forward_takes_the_leases_along(step: int) -> None:
    old = NOW - step
    before = file((old + 100, PHONE, "192.168.77.20"), (old + LONGEST, TV, "192.168.77.21")) + DUID + "\n"
    wanted = file((NOW + 100, PHONE, "192.168.77.20"), (NOW + LONGEST, TV, "192.168.77.21")) + DUID + "\n"
    for after in (before, DUID + "\n", ""):  # dnsmasq has not looked yet; or it has ended them all
        assert shift_leases(before, after, Step(step, NOW, LONGEST)) == wanted


@pytest.mark.parametrize("step", [100, 3 * DAY, 4000 * DAY])
def test_a_clock_set_back_takes_the_leases_along(step: int) -> None:
    old = NOW + step
    before = file((old + 100, PHONE, "192.168.77.20"), (old + LONGEST, TV, "192.168.77.21"))
    text = shift_leases(before, before, Step(-step, NOW, LONGEST))
    ends = {line.split()[1]: int(line.split()[0]) - NOW for line in text.splitlines()}
    assert ends[TV] == LONGEST
    assert 100 <= ends[PHONE] <= LONGEST  # what cannot be told from a new lease may last as long as one


def test_who_came_after_the_step_keeps_his_address() -> None:
    before = file((NOW - 3 * DAY + 100, PHONE, "192.168.77.20"), (NOW - 3 * DAY + 100, TV, "192.168.77.21"))
    after = file((NOW + LONGEST, NEW, "192.168.77.20"), (NOW + LONGEST - 1, TV, "192.168.77.30"))
    text = shift_leases(before, after, Step(3 * DAY, NOW, LONGEST))
    assert text == file((NOW + LONGEST, NEW, "192.168.77.20"), (NOW + LONGEST - 1, TV, "192.168.77.30"))


def test_who_has_renewed_after_the_step_is_not_moved_once_more() -> None:
    before = file((NOW - 100 + 50, PHONE, "192.168.77.20"))
    after = file((NOW + LONGEST, PHONE, "192.168.77.20"))
    assert shift_leases(before, after, Step(100, NOW, LONGEST)) == after


def test_a_lease_for_ever_stays_one() -> None:
    text = file((0, PHONE, "192.168.77.20"))
    assert shift_leases(text, text, Step(3 * DAY, NOW, LONGEST)) == text
    assert shift_leases(text, "", Step(-3 * DAY, NOW, LONGEST)) == text


def test_what_was_over_before_the_step_stays_so() -> None:
    assert shift_leases(file((NOW - 3 * DAY - 10, PHONE, "192.168.77.20")), "", Step(3 * DAY, NOW, LONGEST)) == ""


LEASES = st.lists(
    st.tuples(st.integers(1, LONGEST), st.sampled_from([PHONE, TV, NEW]), st.integers(20, 40)), max_size=5
)


@given(before=LEASES, after=LEASES, step=st.integers(-5000 * DAY, 5000 * DAY).filter(lambda s: abs(s) >= 60))
def test_no_address_has_two_leases_and_none_lasts_longer_than_any_may(
    before: list[tuple[int, str, int]], after: list[tuple[int, str, int]], step: int
) -> None:
    old = [(NOW - step + left, mac, f"192.168.77.{n}") for left, mac, n in before]
    new = [(NOW + left, mac, f"192.168.77.{n}") for left, mac, n in after]
    text = shift_leases(file(*old), file(*new), Step(step, NOW, LONGEST))
    fields = [line.split() for line in text.splitlines()]
    assert len({f[2] for f in fields}) == len(fields)
    assert {f[2] for f in fields} >= {new[-1][2]} if new else True
    assert all(NOW < int(f[0]) <= NOW + LONGEST + 30 for f in fields)
