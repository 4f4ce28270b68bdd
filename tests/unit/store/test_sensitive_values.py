"""Every secret of a real state directory is known by whoever has to strike it out; so are the owner's names."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import keys
from app.model import Device, Endpoint, Peer, Secret, ServerSecrets, StoredServer
from app.store import Store
from app.store.accounts import Account, Accounts
from app.store.sensitive_values import stored_names, stored_secrets
from app.support.redact import Redactor
from app.support.report import Section, assemble

PAIR, OTHER, SHARED = keys.generate(), keys.generate(), keys.generate().private_key


def fill(directory: Path, *, passphrase: str = "hunter2 hunter2", device: str = "Anna's TV") -> set[str]:
    """Returns every secret."""
    with Store(directory) as store:
        peer = Peer(OTHER.public_key, Endpoint("annas.example.org", 51820))
        store.add_server(
            StoredServer("home", "custom", (peer,)), ServerSecrets(PAIR.private_key, {OTHER.public_key: SHARED})
        )
        store.update_settings(
            lambda s: msgspec.structs.replace(
                s,
                devices=(Device("02:00:00:00:00:01", name=device),),
                lan=msgspec.structs.replace(s.lan, hostname="annas-box"),
                host_names=("vpn.annas.example",),
            )
        )
        accounts = Accounts(directory)
        accounts.put(
            "mullvad",
            Account(
                {"account_number": Secret("1234123412341234")},
                private_key=OTHER.private_key,
                device_id="d3v1ce-1d",
                device_name="happy seal",
                retired=("0ld-0ne",),
                token=Secret("mva_token"),
                replaced=Account({"password": Secret(passphrase)}, pending_key=PAIR.private_key),
                extra={"pin": Secret("4711-4712")},
            ),
        )
    (directory / "dnsmasq.leases").write_text(
        "1700000000 02:00:00:00:00:02 192.168.77.20 annas-phone 01:02:00:00:00:00:02\n"
        "1700000000 02:00:00:00:00:03 192.168.77.21 * *\nduid 00:01:00:01\n"
    )
    return {
        *(key.reveal() for key in (PAIR.private_key, OTHER.private_key, SHARED)),
        *("1234123412341234", "mva_token", passphrase, "4711-4712", "d3v1ce-1d", "happy seal", "0ld-0ne"),
    }


def test_every_secret_is_known(tmp_path: Path) -> None:
    assert stored_secrets(tmp_path / "nothing") == set()
    assert fill(tmp_path) == stored_secrets(tmp_path)


@pytest.mark.parametrize("file", ["secrets.json", "accounts.json"])
def test_of_a_damaged_file_every_text_is_one(tmp_path: Path, file: str) -> None:
    expected = fill(tmp_path)
    path = tmp_path / file
    whole = path.read_bytes()
    document = json.loads(whole)
    path.write_bytes(whole[:-3])
    assert expected <= stored_secrets(tmp_path), "cut off"
    (kept,) = [name for name in document if name != "version"]
    document[kept] = {"odd": [document[kept]]}
    path.write_text(json.dumps(document))
    assert expected <= stored_secrets(tmp_path), "of another shape"


def test_the_owners_names_are_known_by_kind(tmp_path: Path) -> None:
    assert stored_names(tmp_path / "nothing") == {
        kind: set() for kind in ("device-name", "gateway-name", "domain", "host-name")
    }
    fill(tmp_path)
    (tmp_path / "devices.json").write_text('{"version": 1, "devices": [{"mac": "x", "hostname": "annas-watch"}]}')
    assert stored_names(tmp_path) == {
        "device-name": {"Anna's TV", "annas-phone", "annas-watch"},
        "gateway-name": {"annas-box"},
        "domain": set(),
        "host-name": {"annas.example.org", "vpn.annas.example"},
    }


readable = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=8, max_size=40)
readable = readable.filter(lambda s: len(set(filter(str.isalnum, s))) > 4)  # "========" is a heading's line


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), readable, st.text("abcdefghij' ", min_size=5, max_size=20).map(lambda s: f"x{s.strip()}x"))
def test_no_stored_secret_is_in_a_report(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, passphrase: str, device: str
) -> None:
    """No secret of the store is in a report, however it got into a section."""
    directory = tmp_path_factory.mktemp("state")
    hidden = fill(directory, passphrase=passphrase, device=device)
    words = st.sampled_from(sorted({*hidden, device, "annas-phone", "annas.example.org", "annas-box", "peer", "lan0"}))
    form = st.sampled_from(["{}", '"{}"', "key={}", "[{}]", "({}),"])
    said = data.draw(st.lists(st.builds(lambda f, w: f.format(w), form, words), min_size=1, max_size=30))
    raw = [path.read_text() for path in directory.glob("*.json")]
    sections = [
        Section("Log", " ".join(said)),
        Section(" ".join(said[:2]), json.dumps(said)),
        Section("Files", "\n".join(raw)),
    ]
    report = assemble(sections, Redactor(stored_secrets(directory), stored_names(directory)))
    plain = report.partition("before you give it away.")[2]
    for secret in hidden:
        assert secret not in plain
    for name in (device, "annas-phone", "annas.example.org", "annas-box"):
        assert name not in plain
