"""The parser of MAC addresses for the API, the settings, the statistics and the planner."""

from __future__ import annotations

import pytest

from app.errors import InvalidFieldError
from app.mac_address import is_canonical, is_device, parse, parse_device

MAC = "02:00:00:00:0a:01"


@pytest.mark.parametrize("text", [MAC, MAC.upper(), "02-00-00-00-0A-01", "0200.0000.0a01", "020000000a01"])
def test_common_spellings_become_one(text: str) -> None:
    assert parse(text) == MAC
    assert is_canonical(text) is (text == MAC)


@pytest.mark.parametrize("text", ["", MAC[:-1], MAC + "0", MAC + "\n", "02:00:00:00:00:0g", "02 00 00 00 00 01"])
def test_anything_else_is_refused_by_its_field(text: str) -> None:
    assert not is_canonical(text)
    with pytest.raises(InvalidFieldError) as refused:
        parse(text, "device")
    assert refused.value.field == "device"


@pytest.mark.parametrize("text", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "33:33:00:00:00:01"])
def test_address_of_no_single_device_is_refused(text: str) -> None:
    """Zero, broadcast and multicast: no frame comes from there."""
    assert is_canonical(text)
    assert not is_device(text)
    with pytest.raises(InvalidFieldError) as refused:
        parse_device(text.upper())
    assert refused.value.field == "mac"
    assert is_device(parse_device(MAC))
