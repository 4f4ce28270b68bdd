"""Secrets are removed from gateway.toml in any notation; passwords and accounts are stored where they belong."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.auth.password_rules import check_new
from app.errors import InvalidFieldError
from app.firstboot.admin_password import Auth, reset_password
from app.firstboot.configuration import forget_account, load_config
from app.firstboot.gateway_toml import ConfigError, parse
from app.firstboot.paths import Paths
from app.firstboot.redact import without_secrets
from app.firstboot.schema import Config

WIFI = "[wifi]\ncountry = 'SE'\n[wifi.access_point]\nssid = 'Hemma'\n"


def no_auth(action: str, text: str) -> None:
    """The command for the password, where it must not be called."""
    raise AssertionError(action)


def test_removing_secrets_keeps_the_rest() -> None:
    assert without_secrets("a = 1\npassphrase = 'secret' # y\nb = 2") == (
        'a = 1\n# passphrase = "(taken; kept on the data partition)"\nb = 2'
    )
    same = "# passphrase = 'none here'\na = 1\n"
    assert without_secrets(same) == same


@pytest.mark.parametrize(
    "text",
    [
        "[wifi]\ncountry = 'SE'\naccess_point = { ssid = 'Hemma', passphrase = 's3cret-s3cret' }",
        "wifi.access_point.passphrase = 's3cret-s3cret'\nwifi.access_point.ssid = 'Hemma'\nwifi.country = 'SE'",
        WIFI + 'passphrase = """\\\n  s3cret-s3cret"""',
        WIFI + "passphrase = '''\ns3cret-s3cret'''",
        WIFI + "\"passphrase\" = 's3cret-s3cret'",
        WIFI.replace("access_point", "'access_point'") + "passphrase = 's3cret-s3cret'",
        WIFI + "passphrase = 's3cret-s3cret'\n# was s3cret-s3cret",
        WIFI + 'passphrase = "\\u0073\\u0033cret-cret"',
        "[vpn]\nprovider = 'm'\naccount = { number = 's3cret-s3cret' }\n" + WIFI + "passphrase = 'other-s3cret'",
        "[vpn]\nprovider = 'm'\n[ vpn . account ] # mine\nnumber = 's3cret'\n" + WIFI + "passphrase = 'other-s3cret'",
        "[vpn]\nprovider = 'm'\n[vpn.account]\r\nnumber = 's3cret'\r\n" + WIFI + "passphrase = 'other-s3cret'\r\n",
    ],
)
def test_only_secrets_are_removed_from_any_notation(text: str) -> None:
    before = parse(text)
    assert before.wifi.access_point is not None
    assert before.wifi.access_point.passphrase is not None
    bare = without_secrets(text)
    assert "cret" not in bare
    after = parse(bare)
    assert after.wifi.access_point is not None
    assert (after.wifi.country, after.wifi.access_point.ssid) == ("SE", "Hemma")
    assert after.wifi.access_point.passphrase is None
    assert not after.vpn.account
    assert after.vpn.provider == before.vpn.provider


def test_admin_password_is_stored_only_as_a_hash(paths: Paths, auth: Auth) -> None:
    (paths.fat / "gateway.toml").write_text("[system]\nadmin_password = 'correct horse battery'\n")
    config, faults = load_config(paths, auth)
    assert faults == []
    assert config.system.admin_password is None
    everything = [p for p in paths.fat.parent.rglob("*") if p.is_file()]
    assert all(b"correct horse" not in p.read_bytes() for p in everything)
    (state,) = paths.web.glob("*.json")
    assert b"argon2id" in state.read_bytes()
    assert state.stat().st_mode & 0o777 == 0o600
    load_config(paths, no_auth)  # the next start has nothing to set


def test_refused_password_is_reported_and_nothing_is_applied(paths: Paths, auth: Auth) -> None:
    (paths.fat / "gateway.toml").write_text("[system]\nhostname = 'new'\nadmin_password = 'aaaaaaaaaaaa'\n")
    config, faults = load_config(paths, auth)
    assert config == Config()
    assert len(faults) == 1
    assert faults[0].startswith("gateway.toml: system.admin_password: ")
    assert "aaaa" not in faults[0]


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("pass-word", False),
        ("pass-words", True),
        ("\ufb03-six-wo", True),  # the ligature of ffi is three letters in the spelling that is hashed (NFKC)
        ("abcdefgh" * 128, True),
        ("abcdefgh" * 128 + "i", False),
    ],
)
def test_card_and_web_accept_the_same_password_lengths(password: str, accepted: bool) -> None:
    text = f"[system]\nadmin_password = '{password}'\n"
    if accepted:
        assert check_new(password)
        assert parse(text).system.admin_password == password
        return
    with pytest.raises(InvalidFieldError):
        check_new(password)
    with pytest.raises(ConfigError, match=r"^system\.admin_password: 10 to 1024 characters on one line$"):
        parse(text)


@pytest.mark.parametrize("name", ["reset-password", "Reset-Password.TXT"])
def test_password_is_reset_by_a_file_on_the_card(paths: Paths, auth: Auth, name: str) -> None:
    auth("set-password", "correct horse battery\n")
    (state,) = paths.web.glob("*.json")
    assert b"argon2id" in state.read_bytes()
    assert reset_password(paths, auth) == []
    assert b"argon2id" in state.read_bytes()  # nobody asked
    (paths.fat / name).touch()
    assert reset_password(paths, auth) == []
    assert b"argon2id" not in state.read_bytes()
    assert list(paths.fat.iterdir()) == []


def test_reset_is_carried_out_once_where_its_file_stays(
    paths: Paths, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that is locked keeps the file: a password that was set later must survive the next start."""

    def locked(path: Path, missing_ok: bool = False) -> None:
        if path.parent == paths.fat:
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(path, missing_ok)

    unlink, request = Path.unlink, paths.fat / "reset-password"
    (state,) = (auth("set-password", "correct horse battery\n"), *paths.web.glob("*.json"))[1:]
    request.touch()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", locked)
        (fault,) = reset_password(paths, auth)
        assert "Read-only" in fault
        assert b"argon2id" not in state.read_bytes()
        auth("set-password", "another horse battery\n")
        for _ in range(2):
            assert len(reset_password(paths, auth)) == 1
            assert b"argon2id" in state.read_bytes()
        os.utime(request, (1, 1))  # a new request
        assert len(reset_password(paths, auth)) == 1
        assert b"argon2id" not in state.read_bytes()
    # The same file again, once the card was unlocked and the request removed.
    auth("set-password", "another horse battery\n")
    assert reset_password(paths, auth) == []
    assert b"argon2id" in state.read_bytes()
    request.touch()
    os.utime(request, (1, 1))
    assert reset_password(paths, auth) == []
    assert b"argon2id" not in state.read_bytes()


def test_failed_reset_is_reported_and_its_file_stays(paths: Paths, auth: Auth) -> None:
    (paths.fat / "reset-password").touch()
    paths.web.rmdir()
    (fault,) = reset_password(paths, auth)
    assert fault.startswith("reset-password: ")
    assert (paths.fat / "reset-password").exists()


ACCOUNT = "[vpn]\nprovider = 'mullvad'\n[vpn.account]\naccount_number = '1234123412341234'\n"


def test_account_is_stored_until_it_was_used(paths: Paths) -> None:
    (paths.fat / "gateway.toml").write_text(ACCOUNT)
    wanted = {"account_number": "1234123412341234"}
    assert load_config(paths, no_auth)[0].vpn.account == wanted
    assert "1234" not in (paths.fat / "gateway.toml").read_text()
    assert load_config(paths, no_auth)[0].vpn.account == wanted  # a start later, from the data partition
    assert paths.stored.stat().st_mode & 0o777 == 0o600
    forget_account(paths)
    assert not load_config(paths, no_auth)[0].vpn.account
    assert b"1234" not in paths.stored.read_bytes()


def test_account_is_not_used_for_another_provider(paths: Paths) -> None:
    (paths.fat / "gateway.toml").write_text(ACCOUNT)
    load_config(paths, no_auth)
    (paths.fat / "gateway.toml").write_text("[vpn]\nprovider = 'ivpn'\n")
    assert load_config(paths, no_auth)[0].vpn.account is None
