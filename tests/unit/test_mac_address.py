"""The parser of MAC addresses for the API, the settings, the statistics and the planner."""

from __future__ import annotations

import pytest

from app.errors import InvalidFieldError
from app.mac_address import is_canonical, parse

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
