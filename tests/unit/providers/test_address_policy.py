"""The quick look at an address never differs from the closer one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.server_list.address_policy import AddressPolicy, BadEntryError

OWN = tuple(ip_network(text) for text in ("192.168.77.0/24", "198.51.0.0/16", "9.9.9.0/24", "2a00:1::/32"))
ALLOWED = tuple(ip_network(text) for text in ("10.66.0.0/16", "2001:db8::/32"))
EDGES4 = (0, 10, 100, 127, 169, 172, 192, 198, 203, 223, 224, 240, 255, 9, 11, 1, 8)
EDGES6 = (0x2001, 0x2002, 0x3FFF, 0x1FFF, 0x2000, 0x2003, 0x3FFE, 0x4000, 0x2A00, 0xFC00, 0xFE80, 0xFF02, 0x64)

numbers4 = st.integers(0, 2**32 - 1) | st.builds(
    lambda first, rest: first << 24 | rest, st.sampled_from(EDGES4), st.integers(0, 2**24 - 1)
)
numbers6 = st.integers(0, 2**128 - 1) | st.builds(
    lambda first, rest: first << 112 | rest, st.sampled_from(EDGES6), st.integers(0, 2**112 - 1)
)
texts = (
    numbers4.map(lambda n: str(IPv4Address(n)))
    | numbers6.map(lambda n: str(IPv6Address(n)))
    | numbers6.map(lambda n: IPv6Address(n).exploded.upper())
    | st.sampled_from(
        (
            *(
                "",
                "8.8.8",
                "08.8.8.8",
                "8.8.8.8 ",
                " 8.8.8.8",
                "8.8.8.8\n",
                "8.8.8.8\0",
                "8.8.8.0/24",
                "٨.8.8.8",
                "134744072",
            ),
            *("2a00::8.8.8.8", "2a00::1%eth0", "[2a00::1]", "2a00:::1", "2a00:0:0:1::", "2a00:0:1::0:1", "2a00::1\0"),
            *("9.9.9.9", "2a00:1::1", "198.51.7.7", "10.66.0.1", "2001:db8::1", "2002:808:808::1", "2001::1"),
        )
    )
    | st.text(alphabet="0123456789abcdefABCDEF:.%", max_size=24)
)


class Careful(AddressPolicy):
    """The same without the quick look."""

    def _public(self, text: str, version: int) -> str | None:
        return None


def verdict(policy: AddressPolicy, text: object, version: int) -> str:
    try:
        return policy.address(text, version, "it")
    except BadEntryError as reason:
        return f"refused: {reason}"


@given(texts, st.sampled_from((4, 6)), st.sampled_from(((), OWN)), st.sampled_from(((), ALLOWED)))
def test_a_quick_look_says_what_a_closer_one_does(text: str, version: int, own: tuple, allowed: tuple) -> None:
    assert verdict(AddressPolicy(own, allowed), text, version) == verdict(Careful(own, allowed), text, version)


@pytest.mark.parametrize(("text", "version"), [("9.9.9.9", 4), ("198.51.7.7", 4), ("2a00:1::1", 6)])
def test_a_public_address_in_the_own_lan_is_refused(text: str, version: int) -> None:
    assert verdict(AddressPolicy(), text, version) == text
    assert verdict(AddressPolicy(OWN), text, version) == "refused: it is in this gateway's own LAN"
