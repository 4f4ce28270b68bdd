"""Every message of the page is there in English and German, is used, and names the same values in both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[3] / "app" / "web" / "static"
CATALOGUES = ("en", "de")
GROUPS = (  # chosen at run time: say(`place.${place}`), sayCode("error", code)
    "error.",
    "place.",
    "blocking.",
    "cause.",
    "opening.",
    "part.",
    "tunnel.",
)
_OTHERS = {"vendor", "messages"}  # no users of messages
VALUE = re.compile(r"\{(\w+)\}")


def catalogue(language: str) -> dict[str, str | dict[str, str]]:
    """The messages as the page reads them: Node runs the module."""
    module = (STATIC / "messages" / f"{language}.js").as_uri()
    program = f"import({json.dumps(module)}).then((m) => console.log(JSON.stringify(m.default)))"
    node = Path(sys.executable).with_name("node")
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    found: dict[str, str | dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def messages() -> dict[str, dict[str, str | dict[str, str]]]:
    return {language: catalogue(language) for language in CATALOGUES}


def sources() -> list[str]:
    parts = {path: path.relative_to(STATIC).parts for path in STATIC.rglob("*.js")}
    return [path.read_text() for path, names in parts.items() if len(names) > 1 and names[0] not in _OTHERS]


def texts(message: str | dict[str, str]) -> list[str]:
    return [message] if isinstance(message, str) else list(message.values())


def test_languages_have_the_same_messages(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    assert set(messages["de"]) == set(messages["en"])


def test_messages_name_the_same_values(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    for key, english in messages["en"].items():
        expected = {name for text in texts(english) for name in VALUE.findall(text)}
        german = messages["de"][key]
        assert type(german) is type(english), key
        assert {name for text in texts(german) for name in VALUE.findall(text)} == expected, key


def test_used_messages_are_there_and_others_are_not(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    english = set(messages["en"])
    groups = {key.partition(".")[0] for key in english}
    quoted = {key for source in sources() for key in re.findall(r'"([a-z_]+\.[a-z_]+)"', source)}
    said = {key for key in quoted if key.partition(".")[0] in groups}
    assert said - english == set()
    assert {key for key in english - said if not key.startswith(GROUPS)} == set()


def test_every_place_has_its_words(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    router = (STATIC / "lib" / "router.js").read_text()
    places = re.findall(r'"(\w+)"', router.split("place:")[1].split(";")[0])
    assert len(places) == 6
    for place in places:
        assert {f"place.{place}", f"place.{place}_what"} <= set(messages["en"])
