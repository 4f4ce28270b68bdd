"""An exit is confirmed by the provider's word, else by its server's address or, in a provider's list, its network."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.tunnel.exit_confirmation import by_address

SERVERS = (ip_address("203.0.113.9"), ip_address("2001:db8:1:2::9"))


@pytest.mark.parametrize(
    ("seen", "exactly", "near"),
    [
        ("203.0.113.9", True, True),
        ("2001:db8:1:2::9", True, True),
        ("203.0.113.10", None, True),
        ("2001:db8:1:2:ffff::1", None, True),
        ("203.0.112.10", None, None),
        ("2001:db8:1:3::9", None, None),
        ("no address", None, None),
        (None, None, None),
    ],
)
def test_server_or_its_network_confirms(seen: str | None, exactly: bool | None, near: bool | None) -> None:
    answer = {"ip": seen}
    assert by_address(lambda _: None, SERVERS, networks=False)(answer) is exactly
    assert by_address(lambda _: None, SERVERS, networks=True)(answer) is near


@pytest.mark.parametrize("word", [True, False])
def test_word_of_the_provider_decides(word: bool) -> None:
    assert by_address(lambda _: word, SERVERS, networks=True)({"ip": "203.0.113.9"}) is word


@pytest.mark.parametrize("own", ["203.0.113.20", "203.0.113.10"])
def test_network_of_this_gateway_confirms_nothing(own: str) -> None:
    """A leak would show such an address, too."""
    confirm = by_address(lambda _: None, SERVERS, networks=True, own=[ip_address(own)])
    assert confirm({"ip": "203.0.113.10"}) is None
    assert confirm({"ip": "203.0.113.9"}) is True
