"""Leases after a clock step: their expiry is shifted with it, and leases granted after the step are kept."""

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
def test_clock_set_forward_shifts_leases(step: int) -> None:
    old = NOW - step
    before = file((old + 100, PHONE, "192.168.77.20"), (old + LONGEST, TV, "192.168.77.21")) + DUID + "\n"
    wanted = file((NOW + 100, PHONE, "192.168.77.20"), (NOW + LONGEST, TV, "192.168.77.21")) + DUID + "\n"
    for after in (before, DUID + "\n", ""):  # dnsmasq has not looked yet; or it has ended them all
        assert shift_leases(before, after, Step(step, NOW, LONGEST)) == wanted


@pytest.mark.parametrize("step", [100, 3 * DAY, 4000 * DAY])
def test_clock_set_back_shifts_leases(step: int) -> None:
    old = NOW + step
    before = file((old + 100, PHONE, "192.168.77.20"), (old + LONGEST, TV, "192.168.77.21"))
    text = shift_leases(before, before, Step(-step, NOW, LONGEST))
    ends = {line.split()[1]: int(line.split()[0]) - NOW for line in text.splitlines()}
    assert ends[TV] == LONGEST
    assert 100 <= ends[PHONE] <= LONGEST  # what cannot be told from a new lease may last as long as one


def test_lease_granted_after_the_step_is_kept() -> None:
    before = file((NOW - 3 * DAY + 100, PHONE, "192.168.77.20"), (NOW - 3 * DAY + 100, TV, "192.168.77.21"))
    after = file((NOW + LONGEST, NEW, "192.168.77.20"), (NOW + LONGEST - 1, TV, "192.168.77.30"))
    text = shift_leases(before, after, Step(3 * DAY, NOW, LONGEST))
    assert text == file((NOW + LONGEST, NEW, "192.168.77.20"), (NOW + LONGEST - 1, TV, "192.168.77.30"))


def test_lease_renewed_after_the_step_is_not_shifted() -> None:
    before = file((NOW - 100 + 50, PHONE, "192.168.77.20"))
    after = file((NOW + LONGEST, PHONE, "192.168.77.20"))
    assert shift_leases(before, after, Step(100, NOW, LONGEST)) == after


def test_infinite_lease_stays_infinite() -> None:
    text = file((0, PHONE, "192.168.77.20"))
    assert shift_leases(text, text, Step(3 * DAY, NOW, LONGEST)) == text
    assert shift_leases(text, "", Step(-3 * DAY, NOW, LONGEST)) == text


def test_lease_expired_before_the_step_is_dropped() -> None:
    assert shift_leases(file((NOW - 3 * DAY - 10, PHONE, "192.168.77.20")), "", Step(3 * DAY, NOW, LONGEST)) == ""


LEASES = st.lists(
    st.tuples(st.integers(1, LONGEST), st.sampled_from([PHONE, TV, NEW]), st.integers(20, 40)), max_size=5
)


@given(before=LEASES, after=LEASES, step=st.integers(-5000 * DAY, 5000 * DAY).filter(lambda s: abs(s) >= 60))
def test_shifted_leases_are_unique_and_within_the_lease_time(
    before: list[tuple[int, str, int]], after: list[tuple[int, str, int]], step: int
) -> None:
    old = [(NOW - step + left, mac, f"192.168.77.{n}") for left, mac, n in before]
    new = [(NOW + left, mac, f"192.168.77.{n}") for left, mac, n in after]
    text = shift_leases(file(*old), file(*new), Step(step, NOW, LONGEST))
    fields = [line.split() for line in text.splitlines()]
    assert len({f[2] for f in fields}) == len(fields)
    assert {f[2] for f in fields} >= {new[-1][2]} if new else True
    assert all(NOW < int(f[0]) <= NOW + LONGEST + 30 for f in fields)
