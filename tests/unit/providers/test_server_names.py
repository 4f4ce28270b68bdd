"""The names and locations that users give to their servers."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest

from app.errors import InvalidFieldError
from app.providers.server_names import check_location, check_name, city_and_country

GOOD = [
    "my-vps",
    "imported-config",
    "se-sto-wg-001",
    "a",
    "A.b_c-d 9",
    "Zürich 1",
    "東京",
    "9",
    "a" * 64,
    "ελλάδα",
    "a.",
]


@pytest.mark.parametrize("name", GOOD)
def test_name_that_is_valid_is_accepted(name: str) -> None:
    assert check_name(name) == name
    assert unquote(quote(name, safe="")) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a" * 65,
        ".",
        "..",
        ".hidden",
        "-a",
        "_a",
        " a",
        "a ",
        "a  b",
        "a/b",
        "a\\b",
        "a%2fb",
        "a\nb",
        "a\0b",
        "a\tb",
        "a?b",
        "a#b",
        "a:b",
        "a'b",
        'a"b',
        "<a>",
        "a;b",
        "$(a)",
        "a\u202eb",
        "a\u200bb",
        "a\u2028b",
        "🙂",
        "\u0301a",
        "a&b",
    ],
)
def test_name_that_is_invalid_is_refused(name: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        check_name(name)
    assert refused.value.field == "name"


def test_name_is_normalized_to_composed_form() -> None:
    assert check_name("Malmo\u0308") == "Malmö"


@pytest.mark.parametrize(
    ("text", "location", "city", "country"),
    [
        ("Stockholm, Sweden", "Stockholm, Sweden", "Stockholm", "Sweden"),
        ("Germany", "Germany", "Unknown", "Germany"),
        (" Falkenstein ,Saxony,  Germany ", "Falkenstein, Saxony, Germany", "Falkenstein", "Germany"),
        ("Los  Angeles,\tUSA", "Los Angeles, USA", "Los Angeles", "USA"),
        (", Sweden", "Sweden", "Unknown", "Sweden"),
        ("", None, "Unknown", "Unknown"),
        (" , ", None, "Unknown", "Unknown"),
        (None, None, "Unknown", "Unknown"),
    ],
)
def test_location_is_normalized_and_split(text: str | None, location: str | None, city: str, country: str) -> None:
    assert check_location(text) == location
    assert city_and_country(location) == (city, country)


@pytest.mark.parametrize("text", ["a" * 101, "a\0b", "a\u202eb", "\x1b[31m"])
def test_location_that_is_invalid_is_refused(text: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        check_location(text)
    assert refused.value.field == "location"
