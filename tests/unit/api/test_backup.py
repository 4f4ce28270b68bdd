"""Backup and restore over HTTP: a file out, a file in, and bodies that are neither."""

from __future__ import annotations

import base64

import pytest

from app.errors import InvalidFieldError
from app.protocol.commands import CreateBackup, RestoreBackup
from ci.labnet.owner import PASSWORD
from tests.support.fake_gateway import FakeGateway
from tests.unit.api.conftest import Call, assert_error

pytestmark = pytest.mark.owned

PASSPHRASE = "correct horse"
FILE = bytes(range(256)) * 40


def body(**changes: object) -> dict[str, object]:
    return {"backup": base64.b64encode(FILE).decode(), "passphrase": PASSPHRASE, "password": PASSWORD} | changes


def test_a_backup_is_a_file_to_save(call: Call, gateway: FakeGateway) -> None:
    answer = call("POST", "/api/backup", json={"passphrase": PASSPHRASE, "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="vpn-gateway-2')
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content.startswith(b"age-encryption.org/v1\n")
    assert gateway.commands == [CreateBackup(PASSPHRASE, PASSWORD)]


def test_restore_hands_over_the_file_as_it_is(call: Call, gateway: FakeGateway) -> None:
    answer = call("POST", "/api/restore", json=body(dry_run=True)).json()
    assert (answer["success"], answer["dry_run"], answer["servers"], answer["message"]) == (True, True, 2, None)
    assert gateway.commands == [RestoreBackup(FILE, PASSPHRASE, True)]
    assert "restarts" in call("POST", "/api/restore", json=body()).json()["message"]
    assert gateway.commands[-1] == RestoreBackup(FILE, PASSPHRASE, password=PASSWORD)


def test_eight_mebibytes_fit_and_much_more_does_not(call: Call, gateway: FakeGateway) -> None:
    large = base64.b64encode(bytes(8 * 1024 * 1024)).decode()
    assert call("POST", "/api/restore", json=body(backup=large)).status_code == 200
    assert_error(call("POST", "/api/restore", json=body(backup=large + "A" * 2_000_000)), 413, "too_large")
    assert len(gateway.commands) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"backup": "not base64!"}, "backup"), ({"backup": 7}, "backup"), ({"dry_run": "yes"}, "dry_run")],
)
def test_bad_fields_are_named(call: Call, gateway: FakeGateway, changes: dict[str, object], field: str) -> None:
    assert_error(call("POST", "/api/restore", json=body(**changes)), 422, "invalid_field", field)
    assert_error(call("POST", "/api/restore", json=body(pass_phrase="x")), 422, "unknown_field", "pass_phrase")
    assert gateway.commands == []


def test_netds_reason_is_returned(call: Call, gateway: FakeGateway) -> None:
    gateway.failure = InvalidFieldError("wrong", field="passphrase", code="wrong_passphrase")
    assert_error(call("POST", "/api/restore", json=body()), 422, "wrong_passphrase", "passphrase")


def test_a_passphrase_is_in_no_representation() -> None:
    assert (
        PASSPHRASE
        not in f"{CreateBackup(PASSPHRASE, PASSPHRASE)!r} {RestoreBackup(FILE, PASSPHRASE, password=PASSPHRASE)!r}"
    )
