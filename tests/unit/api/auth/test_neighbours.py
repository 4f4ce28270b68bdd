"""A neighbour with many addresses does not keep the owner out."""

from __future__ import annotations

import pytest

from app.api.auth.lockout import FREE, FREE_FOR_ALL, FREE_IF_OLDER, Lockout
from app.api.auth.neighbours import WITHOUT_LEASE, Neighbours
from app.errors import TooManyRequestsError
from app.model import Lease
from tests.support.web_server import Clock

OWNER = Lease("02:00:00:00:00:01", "192.168.77.20", "laptop", 0)


def lease(number: int) -> Lease:
    return Lease(f"02:00:00:00:01:{number:02x}", f"192.168.77.{100 + number}", None, 0)


def attempt(lockout: Lockout, neighbours: Neighbours, address: str) -> int:
    device = neighbours.device(address)
    return lockout.attempt(device, known=False, older=neighbours.older_than(device, lockout.began))


def guesses(lockout: Lockout, neighbours: Neighbours, addresses: list[str]) -> int:
    """How many of one attempt from each address are judged."""
    judged = 0
    for address in addresses:
        try:
            attempt(lockout, neighbours, address)
        except TooManyRequestsError:
            continue
        judged += 1
    return judged


def test_addresses_without_a_lease_are_one_client() -> None:
    clock = Clock()
    lockout, neighbours = Lockout(clock), Neighbours(clock)
    neighbours.follow([OWNER])
    assert guesses(lockout, neighbours, [f"192.168.77.{n}" for n in range(100, 170)]) == FREE
    assert neighbours.device("fe80::1") == WITHOUT_LEASE
    assert attempt(lockout, neighbours, OWNER.address) == 1


def test_the_owner_gets_in_while_leases_are_taken_to_guess() -> None:
    """A device that was there before the failures is spared the delay for all together, a new one is not."""
    clock = Clock()
    lockout, neighbours = Lockout(clock), Neighbours(clock)
    neighbours.follow([OWNER])
    clock.now += 60
    attempt(lockout, neighbours, "192.168.77.99")
    clock.now += 1
    new = [lease(n) for n in range(70)]
    neighbours.follow([OWNER, *new])
    assert guesses(lockout, neighbours, [each.address for each in new]) == FREE_FOR_ALL - 1
    with pytest.raises(TooManyRequestsError):
        attempt(lockout, neighbours, new[-1].address)
    assert attempt(lockout, neighbours, OWNER.address) == 1


def test_an_old_device_has_its_own_delay_and_then_that_for_all() -> None:
    clock = Clock()
    lockout, neighbours = Lockout(clock), Neighbours(clock)
    neighbours.follow([OWNER])
    clock.now += 1
    for _ in range(FREE_FOR_ALL):
        lockout.attempt("others", known=False)
        clock.now += 1000
    judged = 0
    for _ in range(FREE_IF_OLDER):
        assert guesses(lockout, neighbours, [OWNER.address]) == 1
        judged += 1
        clock.now += 1000
    assert judged == FREE_IF_OLDER
    lockout.attempt("others", known=False)
    assert guesses(lockout, neighbours, [OWNER.address]) == 0
