"""The second factor."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pyotp
import pytest

from app.api.auth import totp
from app.auth.state import Totp
from app.model import Secret
from tests.unit.api.auth.conftest import PASSWORD, Client
from tests.unit.api.conftest import assert_error

Make = Callable[[], Client]


def enrol(owner: Client) -> tuple[pyotp.TOTP, list[str]]:
    """The generator on somebody's phone, and the recovery codes. The code of the present step is used up."""
    made = owner.post("/api/auth/totp", json={"password": PASSWORD}).json()
    phone = pyotp.TOTP(made["secret"])
    answer = owner.post("/api/auth/totp/confirm", json={"code": phone.now()})
    assert answer.status_code == 200, answer.text
    return phone, answer.json()["recovery_codes"]


def next_code(phone: pyotp.TOTP) -> str:
    return phone.at(time.time() + 30)  # within the drift that is allowed


def test_enrolling(client: Make, owner: Client) -> None:
    made = owner.post("/api/auth/totp", json={"password": PASSWORD}).json()
    assert made["uri"] == f"otpauth://totp/VPN%20Gateway:admin?secret={made['secret']}&issuer=VPN%20Gateway"
    svg = ElementTree.fromstring(made["qr"])
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"<script|<style|\bon\w+=", made["qr"])
    # Nothing has changed before the first code is right.
    assert client().login().status_code == 200
    assert_error(owner.post("/api/auth/totp/confirm", json={"code": "000000"}), 403, "wrong_code", "code")
    phone = pyotp.TOTP(made["secret"])
    recovery = owner.post("/api/auth/totp/confirm", json={"code": phone.now()}).json()["recovery_codes"]
    assert len(set(recovery)) == 10
    assert all(re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", code) for code in recovery)
    assert client().get("/api/auth/session").json()["second_factor"] is True
    assert owner.get("/api/status").status_code == 200
    assert_error(owner.post("/api/auth/totp", json={"password": PASSWORD}), 409, "totp_set")
    assert_error(owner.post("/api/auth/totp/confirm", json={"code": phone.now()}), 409, "totp_set")


def test_signing_in_takes_both(client: Make, owner: Client) -> None:
    phone, _ = enrol(owner)
    one = client()
    refused = [
        one.login(),
        one.login(code="000000"),
        one.login("wrong password", code=next_code(phone)),
    ]
    for answer in refused:
        assert_error(answer, 401, "wrong_password")
    assert len({a.text for a in refused}) == 1  # which of both was wrong is not told
    assert one.login(code=next_code(phone)).status_code == 200


def test_a_code_is_good_once(client: Make, owner: Client) -> None:
    phone, _ = enrol(owner)
    assert_error(client().login(code=phone.now()), 401, "wrong_password")  # it confirmed the enrolment
    code = next_code(phone)
    assert_error(client().login("wrong password", code=code), 401, "wrong_password")
    assert client().login(code=code).status_code == 200  # the wrong password did not use it up
    assert_error(client().login(code=code), 401, "wrong_password")


def test_recovery_codes_are_good_once(client: Make, owner: Client, state_dir: Path) -> None:
    _, recovery = enrol(owner)
    assert client().login(code=recovery[0].upper().replace("-", " ")).status_code == 200
    assert_error(client().login(code=recovery[0]), 401, "wrong_password")
    assert client().login(code=recovery[9]).status_code == 200
    stored = (state_dir / "auth.json").read_text()
    assert [code for code in recovery if code in stored or code.replace("-", "") in stored] == []


def test_removing_it_takes_both_too(client: Make, owner: Client) -> None:
    phone, _ = enrol(owner)

    def remove(password: str, code: str) -> object:
        return owner.delete("/api/auth/totp", json={"password": password, "code": code})

    assert_error(remove(PASSWORD, "000000"), 403, "wrong_password", "password")  # type: ignore[arg-type]
    assert_error(remove("wrong", next_code(phone)), 403, "wrong_password", "password")  # type: ignore[arg-type]
    assert remove(PASSWORD, next_code(phone)).json() == {"success": True}  # type: ignore[attr-defined]
    assert client().login().status_code == 200
    assert_error(remove(PASSWORD, "000000"), 409, "no_totp")  # type: ignore[arg-type]


def test_changing_the_password_takes_a_code_too(owner: Client) -> None:
    phone, _ = enrol(owner)
    body = {"password": "another good password", "current": PASSWORD}
    assert_error(owner.post("/api/auth/password", json=body), 403, "wrong_password", "current")
    assert owner.post("/api/auth/password", json={**body, "code": next_code(phone)}).status_code == 200


def test_enrolling_takes_the_password_and_is_begun_first(owner: Client) -> None:
    assert_error(owner.post("/api/auth/totp/confirm", json={"code": "123456"}), 409, "not_enrolling")
    assert_error(owner.post("/api/auth/totp", json={"password": "x"}), 403, "wrong_password", "password")


def test_an_enrolment_does_not_wait_for_ever(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.auth.second_factor.ENROLMENT_LIFETIME", -1.0)
    made = owner.post("/api/auth/totp", json={"password": PASSWORD}).json()
    answer = owner.post("/api/auth/totp/confirm", json={"code": pyotp.TOTP(made["secret"]).now()})
    assert_error(answer, 409, "not_enrolling")


def test_rfc_6238_and_the_drift() -> None:
    """Appendix B, in six digits; the step before and the one after are taken, no others."""
    secret = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")  # "12345678901234567890"
    assert totp.step_of(secret, "287082", 59) == 1
    assert totp.step_of(secret, "081804", 1111111109) == 1111111109 // 30
    assert totp.step_of(secret, "287082", 59 + 30) == 1
    assert totp.step_of(secret, "287082", 29) == 1
    assert totp.step_of(secret, "287082", 59 + 60) is None
    for code in ("", "28708", "2870822", "abcdef", "\uff12\uff18\uff17\uff10\uff18\uff12", "-287082", "+28708"):
        assert totp.step_of(secret, code, 59) in ({1} if code == "-287082" else {None}), code


def test_a_clock_set_back_does_not_lock_out() -> None:
    secret = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    phone = pyotp.TOTP(secret.reveal())
    later = totp.spend(Totp(secret, 0.0), phone.at(10_000_000), 10_000_000)
    assert later is not None
    now = totp.spend(later, phone.at(5_000_000), 5_000_000)
    assert now is not None
    assert totp.spend(now, phone.at(5_000_000), 5_000_000) is None
