"""The names and encodings of users' files, with the examples that the page is tested with as well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.encoding import NotTextError, decode
from app.errors import InvalidFieldError
from app.filenames import MAX_NAME, is_clutter, is_config, numbered, plain, server_name
from app.providers.server_names import check_name

EXAMPLES = json.loads((Path(__file__).parents[1] / "data/files.json").read_text())


@pytest.mark.parametrize("example", EXAMPLES["names"], ids=lambda e: ascii(e["file"]))
def test_file_name_gives_the_server_name(example: dict[str, str]) -> None:
    name = server_name(example["file"])
    assert name == example["server"]
    assert check_name(name) == name


@given(st.text(max_size=100))
def test_every_file_has_a_name_that_fits(file: str) -> None:
    name = server_name(f"{file}.conf")
    assert check_name(name) == name
    assert server_name(name) == name


@given(st.text(st.characters(categories=("L", "M", "N"), include_characters="._- "), max_size=MAX_NAME))
def test_a_name_that_fits_is_kept(file: str) -> None:
    try:
        name = check_name(file)
    except InvalidFieldError:
        return
    if not name.lower().endswith((".conf", ".txt")):
        assert server_name(f"{name}.conf") == name


@given(st.integers(2, 2000), st.text(st.characters(categories=("L", "N"), include_characters=" "), max_size=70))
def test_a_numbered_name_fits(number: int, file: str) -> None:
    name = numbered(server_name(file), number)
    assert check_name(name) == name
    assert name.endswith(f"-{number}")


@pytest.mark.parametrize(
    "name",
    ["._berlin.conf", ".DS_Store", "__MACOSX", "Thumbs.db", "System Volume Information", "FOUND.000", "~$a.docx"],
)
def test_files_of_operating_systems_are_clutter(name: str) -> None:
    assert is_clutter(name)
    assert not is_config(name)


@pytest.mark.parametrize("name", ["a.conf", "A.CONF", "a.conf.txt", "a b (1).Conf.TXT"])
def test_conf_files_are_configurations(name: str) -> None:
    assert is_config(name)


@pytest.mark.parametrize("name", ["a.txt", "a.conf.rtf", "aconf", "conf", "a.conf2", "a.config"])
def test_other_files_are_not_configurations(name: str) -> None:
    assert not is_config(name)
    assert not is_clutter(name)


@pytest.mark.parametrize("example", EXAMPLES["encodings"], ids=lambda e: e["hex"][:20] or "empty")
def test_file_is_decoded_in_its_encoding(example: dict[str, str]) -> None:
    assert decode(bytes.fromhex(example["hex"])).text == example["text"]


def test_only_a_code_page_is_reported_as_a_guess() -> None:
    guesses = {encoding: decode("# für".encode(encoding)).guessed for encoding in ("utf-8", "utf-16", "cp1252")}
    assert guesses == {"utf-8": False, "utf-16": False, "cp1252": True}


@pytest.mark.parametrize("data", ["a".encode("utf-32"), b"\xff\xfe\x00", b"[\0\xd8\xd8"])
def test_undecodable_file_says_how_to_save_it(data: bytes) -> None:
    with pytest.raises(NotTextError, match="save it as UTF-8"):
        decode(data)


def test_a_name_is_shown_in_one_line() -> None:
    assert plain("a\nb\u202e\udc80.conf") == "a\ufffdb\ufffd\ufffd.conf"
    assert len(plain("x" * 300)) == 120


def test_filenames_and_encoding_import_few_modules() -> None:
    """The whole start waits for it there, so it imports no other module of the app."""
    script = (
        "import sys; import app.encoding, app.filenames; print(sorted(m for m in sys.modules if m.startswith('app')))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "['app', 'app.encoding', 'app.filenames']"
