"""``accounts.json``: private, whole, and never the reason for which nothing starts."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from app import keys
from app.errors import UnavailableError
from app.model import Secret
from app.store import accounts
from app.store.accounts import Account, Accounts

PAIR = keys.generate()
ACCOUNT = Account(
    credentials={"account_number": Secret("1234123412341234")},
    private_key=PAIR.private_key,
    token=Secret("mva_secret"),
    device_id="d1",
    expires=1.8e9,
)


def opened(directory: Path) -> Accounts:
    found = Accounts(directory)
    found.load()
    return found


def test_an_account_survives_a_restart_in_a_private_file(tmp_path: Path) -> None:
    opened(tmp_path).put("mullvad", ACCOUNT)
    path = tmp_path / accounts.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert opened(tmp_path).get("mullvad") == ACCOUNT
    assert [p.name for p in tmp_path.iterdir()] == [accounts.FILE]


def test_removing_leaves_no_trace_and_the_others(tmp_path: Path) -> None:
    found = opened(tmp_path)
    found.put("mullvad", ACCOUNT)
    other = Account(credentials={"token": Secret("x")})
    found.put("nordvpn", other)
    found.remove("mullvad")
    found.remove("mullvad")
    text = (tmp_path / accounts.FILE).read_text()
    assert "1234123412341234" not in text
    assert PAIR.private_key.reveal() not in text
    assert opened(tmp_path).get("nordvpn") == other


def test_nothing_secret_in_its_repr() -> None:
    assert not any(s in repr(ACCOUNT) for s in ("1234123412341234", "mva_secret", PAIR.private_key.reveal()))


def test_a_file_others_could_read_is_made_private_and_reported(tmp_path: Path) -> None:
    opened(tmp_path).put("mullvad", ACCOUNT)
    path = tmp_path / accounts.FILE
    path.chmod(0o644)
    found = opened(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert any("could be read by other users" in problem for problem in found.problems)
    assert found.get("mullvad") == ACCOUNT


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\x00", b'{"version": "x", "accounts": {}}', b"[" * 100_000])
def test_a_damaged_file_is_set_aside_and_reported(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / accounts.FILE).write_bytes(damage)
    found = opened(tmp_path)
    assert found.get("mullvad") is None
    assert found.problems
    found.put("mullvad", ACCOUNT)
    assert opened(tmp_path).get("mullvad") == ACCOUNT


def test_a_damaged_account_costs_no_other(tmp_path: Path) -> None:
    found = opened(tmp_path)
    found.put("mullvad", ACCOUNT)
    found.put("ivpn", Account(credentials={}))
    path = tmp_path / accounts.FILE
    document = json.loads(path.read_text())
    document["accounts"]["ivpn"]["private_key"] = "not a key"
    path.write_text(json.dumps(document))
    found = opened(tmp_path)
    assert found.get("mullvad") == ACCOUNT
    assert found.get("ivpn") is None
    assert any("ivpn" in problem for problem in found.problems)
    assert not any("not a key" in problem for problem in found.problems)


def test_a_full_disk_keeps_the_old_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened(tmp_path)
    found.put("mullvad", ACCOUNT)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.store.accounts.atomic.write_atomic", full)
    for attempt in (lambda: found.put("mullvad", Account(credentials={})), lambda: found.remove("mullvad")):
        with pytest.raises(UnavailableError, match="No space left") as refused:
            attempt()
        assert refused.value.code == "storage"
    assert found.get("mullvad") == ACCOUNT
    assert opened(tmp_path).get("mullvad") == ACCOUNT
