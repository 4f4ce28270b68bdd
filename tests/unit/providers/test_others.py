"""The peculiarities of NordVPN, AzireVPN, Surfshark and PIA."""

from __future__ import annotations

import hashlib
import ssl
import time
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from app import keys
from app.errors import InvalidFieldError
from app.model import Endpoint, Secret
from app.providers import pia_authority
from app.providers.account_session import DAY
from app.providers.azirevpn import AzireVpnProvider
from app.providers.base import Due, Verdict
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    BlockedError,
    KeyInUseError,
    KeyRevokedError,
    ProviderDownError,
    RefusedError,
    TooManyDevicesError,
    WrongCredentialsError,
)
from app.providers.nordvpn import NordVpnProvider
from app.providers.pia import PiaProvider
from app.providers.surfshark import SurfsharkProvider
from tests.support.providers import azirevpn, nordvpn, pia, surfshark
from tests.support.providers.ca import Authority
from tests.support.providers.keys import key
from tests.support.providers.standin import Answer
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES

BY_NAME = {case.name: case for case in CASES}


# --- NordVPN ---------------------------------------------------------------------------------------------------------


async def test_nordvpn_key_regenerated_there_is_adopted(world: World) -> None:
    case = BY_NAME["nordvpn"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    fresh = keys.generate()
    stand_in.private_key = fresh.private_key.reveal()
    assert await provider.diagnose() is Verdict.KEY_CHANGED
    config = await provider.tunnel(case.hostname)
    assert config.private_key == fresh.private_key
    assert config.addresses == (ip_interface("10.5.0.2/32"),)
    assert config.dns == (ip_address("103.86.96.100"), ip_address("103.86.99.100"))


async def test_nordvpn_account_without_an_expiry_shows_none(world: World) -> None:
    case = BY_NAME["nordvpn"]
    (await case.start(world)).services = False
    provider = NordVpnProvider(world.environment())
    assert (await provider.sign_in(case.good())).expires is None


@pytest.mark.parametrize("private", ["", "short", "A" * 43 + "=", "x" * 44])
async def test_nordvpn_invalid_key_is_a_bad_answer(world: World, private: str) -> None:
    case = BY_NAME["nordvpn"]
    stand_in = await case.start(world)
    stand_in.private_key = private
    with pytest.raises(BadAnswerError, match="an invalid key") as refused:
        await NordVpnProvider(world.environment()).sign_in(case.good())
    assert not private or private not in refused.value.message


async def test_nordvpn_servers_not_dialable_are_skipped_with_reason(world: World) -> None:
    case = BY_NAME["nordvpn"]
    stand_in = await case.start(world)
    offline = nordvpn.server("se3.nordvpn.com", "185.236.42.12", key(3), status="offline")
    old = nordvpn.server("se4.nordvpn.com", "185.236.42.13", key(4), technologies=[{"id": 3}])
    resting = nordvpn.server("se5.nordvpn.com", "185.236.42.14", key(5))
    resting["technologies"][1]["pivot"]["status"] = "offline"
    keyless = nordvpn.server("se6.nordvpn.com", "185.236.42.15", None)
    good = nordvpn.server("se7.nordvpn.com", "185.236.42.16", key(7))
    stand_in.servers = nordvpn.server_list(offline, old, resting, keyless, good)
    status = await NordVpnProvider(world.environment()).refresh()
    assert status.servers == 1
    assert [(s.entry, s.reason, s.bad) for s in status.skipped] == [
        ("se3.nordvpn.com", "it is not online", False),
        ("se4.nordvpn.com", "it does not speak WireGuard", False),
        ("se5.nordvpn.com", "its WireGuard is not online", False),
        ("se6.nordvpn.com", "it has no public key", True),
    ]


async def test_nordvpn_leaves_out_dedicated_and_marks_virtual_servers(world: World) -> None:
    case = BY_NAME["nordvpn"]
    stand_in = await case.start(world)
    text = nordvpn.server("se4.nordvpn.com", "185.236.42.13", key(4))
    text["technologies"][1]["metadata"].insert(0, {"name": "port", "value": 51820})
    stand_in.servers = nordvpn.server_list(
        nordvpn.dedicated("se1.nordvpn.com", "185.236.42.10", key(1)),
        nordvpn.dedicated("se2.nordvpn.com", "185.236.42.11", key(2), group=99),
        nordvpn.server("se3.nordvpn.com", "185.236.42.12", f" {key(3)}\n", specifications=nordvpn.virtual()),
        text,
    )
    provider = NordVpnProvider(world.environment())
    status = await provider.refresh()
    assert [(s.entry, s.reason, s.bad) for s in status.skipped] == [
        ("se1.nordvpn.com", "it is dedicated to another customer", False),
        ("se2.nordvpn.com", "it is dedicated to another customer", False),
    ]
    assert {s.hostname: s.features for s in await provider.servers()} == {
        "se3.nordvpn.com": ("p2p", "virtual"),
        "se4.nordvpn.com": ("p2p",),
    }


# --- AzireVPN --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [True, False])
async def test_azirevpn_device_with_or_without_data_is_decoded(world: World, wrapped: bool) -> None:
    case = BY_NAME["azirevpn"]
    stand_in = await case.start(world)
    stand_in.wrapped = wrapped
    config = await (await case.signed_in(world)).tunnel("se-sto")
    assert config.addresses == (ip_interface("10.0.1.1/32"), ip_interface("2a0e:1c80:1337:1:10:0:1:1/128"))
    assert config.dns == (ip_address("10.0.0.1"), ip_address("2a0e:1c80:1337:1:10::1"))
    assert config.peers[0].endpoint == Endpoint("se-sto.azirevpn.net", 51820)


async def test_azirevpn_sign_in_works_after_removing_a_device(world: World) -> None:
    case = BY_NAME["azirevpn"]
    stand_in = await case.start(world)
    stand_in.limit = 1
    other = stand_in.add_device(key(9), "phone")
    provider = AzireVpnProvider(world.environment())
    with pytest.raises(TooManyDevicesError, match="phone"):
        await provider.sign_in(case.good())
    assert [(d.id, d.name, d.current) for d in await provider.devices()] == [(other["id"], "phone", False)]
    await provider.remove_device(other["id"])
    assert (await provider.sign_in(case.good())).signed_in
    assert len(stand_in.tokens) == 1  # those of the failed attempts are removed


async def test_azirevpn_sign_out_removes_device_and_token(world: World) -> None:
    case = BY_NAME["azirevpn"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    assert azirevpn.PASSWORD not in world.everything_on_disk()  # the token replaces it
    assert await provider.sign_out() == ()
    assert not stand_in.devices
    assert not stand_in.tokens


async def test_azirevpn_device_removed_elsewhere_is_key_revoked(world: World) -> None:
    case = BY_NAME["azirevpn"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    stand_in.devices.clear()
    assert await provider.diagnose() is Verdict.KEY_REVOKED
    with pytest.raises(KeyRevokedError):
        await provider.rotate_key()
    stand_in.tokens.clear()
    assert await provider.diagnose() is Verdict.SIGNED_OUT


async def test_azirevpn_key_in_use_twice_raises_key_in_use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case = BY_NAME["azirevpn"]
    stand_in = await case.start(world)
    taken = keys.generate()
    stand_in.add_device(taken.public_key)
    monkeypatch.setattr("app.keys.generate", lambda: taken)
    with pytest.raises(KeyInUseError) as refused:
        await AzireVpnProvider(world.environment()).sign_in(case.good())
    assert refused.value.code == "key_in_use"


async def test_azirevpn_refusal_with_http_200_is_a_refusal(world: World) -> None:
    case = BY_NAME["azirevpn"]
    stand_in = await case.start(world)
    stand_in.refuses_with_200 = True
    provider = AzireVpnProvider(world.environment())
    with pytest.raises(WrongCredentialsError):
        await provider.sign_in(case.bad())
    await provider.sign_in(case.good())
    stand_in.tokens.clear()
    with pytest.raises(RefusedError, match="refused"):
        await provider.account(refresh=True)
    expired = {"status": "error", "message": "The account has expired."}
    stand_in.route("POST", "/v3/tokens", lambda _: Answer(200, expired))
    stand_in._routes.insert(0, stand_in._routes.pop())
    with pytest.raises(AccountExpiredError):
        await AzireVpnProvider(world.environment()).sign_in(case.bad())


# --- Surfshark -------------------------------------------------------------------------------------------------------


async def test_surfshark_rotation_is_due_before_the_key_expires(world: World) -> None:
    case = BY_NAME["surfshark"]
    await case.start(world)
    provider = await case.signed_in(world)
    now = time.time()
    status = await provider.account()
    assert status.key_rotates == pytest.approx(now + surfshark.KEY_LIFE - 2 * DAY, abs=60)
    assert Due.ROTATE not in provider.due(now + 4.9 * DAY)
    assert Due.ROTATE in provider.due(now + 5.1 * DAY)


async def test_surfshark_expired_token_is_renewed(world: World) -> None:
    case = BY_NAME["surfshark"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    stand_in.tokens.clear()
    assert await provider.diagnose() is Verdict.HEALTHY
    stand_in.tokens.clear()
    assert await provider.rotate_key(case.hostname) is not None


async def test_surfshark_rotation_with_lost_answer_reuses_the_key(world: World) -> None:
    """The pending key is registered already, and validating it succeeds."""
    case = BY_NAME["surfshark"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    stand_in.cut = 10
    with pytest.raises((ProviderDownError, BadAnswerError)):
        await provider.rotate_key()
    stand_in.cut = None
    new = await SurfsharkProvider(world.environment()).rotate_key(case.hostname)
    assert new is not None
    assert len(stand_in.keys) == 2  # the first, and the one whose answer was lost


async def test_surfshark_key_of_another_account_raises_key_in_use(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = BY_NAME["surfshark"]
    stand_in = await case.start(world)
    taken = keys.generate()
    stand_in.others.add(taken.public_key)
    monkeypatch.setattr("app.keys.generate", lambda: taken)
    with pytest.raises(KeyInUseError):
        await SurfsharkProvider(world.environment()).sign_in(case.good())


async def test_surfshark_sign_out_removes_the_keys(world: World) -> None:
    case = BY_NAME["surfshark"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    await provider.rotate_key()
    assert await provider.sign_out() == ()
    assert not stand_in.keys


async def test_surfshark_settling_removes_the_old_key(world: World) -> None:
    case = BY_NAME["surfshark"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    config = await provider.rotate_key(case.hostname)
    assert config is not None
    assert len(stand_in.keys) == 2
    assert Due.SETTLE in provider.due(time.time())
    await provider.settle()
    assert list(stand_in.keys) == [keys.public_key(config.private_key)]
    assert Due.SETTLE not in provider.due(time.time())


async def test_surfshark_password_is_sent_where_renewal_is_refused(world: World) -> None:
    case = BY_NAME["surfshark"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    for logins in (1, 1, 2):
        stand_in.tokens.clear()
        if logins == 2:
            stand_in.renewals.clear()
        assert await provider.diagnose() is Verdict.HEALTHY
        assert stand_in.count("POST", "/v1/auth/login") == logins


async def test_surfshark_block_by_its_network_is_not_a_wrong_password(world: World) -> None:
    case = BY_NAME["surfshark"]
    stand_in = await case.start(world)
    world.apis["surfshark"] = replace(SurfsharkProvider.apis["surfshark"], ca=str(world.authority.path))
    stand_in.blocked = stand_in.names
    with pytest.raises(BlockedError, match="has not looked at the account"):
        await SurfsharkProvider(world.environment()).sign_in(case.good())
    stand_in.blocked = ("api.surfshark.com",)
    provider = SurfsharkProvider(world.environment())
    assert (await provider.sign_in(case.good())).signed_in
    assert {to.host for to in world.outgoing.opened[-3:]} == {"ux.surfshark.com"}  # the host that gave the token


async def test_surfshark_clusters_without_a_key_are_skipped(world: World) -> None:
    case = BY_NAME["surfshark"]
    stand_in = await case.start(world)
    stand_in.servers = surfshark.server_list(
        surfshark.cluster("se-sto.prod.surfshark.com", key(1)), surfshark.cluster("se-old.prod.surfshark.com", None)
    )
    status = await SurfsharkProvider(world.environment()).refresh()
    assert status.servers == 1
    assert [(s.entry, s.bad) for s in status.skipped] == [("se-old.prod.surfshark.com", False)]


# --- PIA -------------------------------------------------------------------------------------------------------------


async def test_pia_registration_goes_to_the_servers_own_address(world: World) -> None:
    """The server is reached by the name in its certificate at the listed address; one connect registers once."""
    case = BY_NAME["pia"]
    await case.start(world)
    provider = await case.signed_in(world)
    config = await provider.tunnel("se_stockholm")
    asked = world.outgoing.opened[-1]
    assert (asked.host, asked.port, asked.addresses) == ("stockholm402", 1337, (ip_address("195.246.120.33"),))
    assert config.addresses == (ip_interface("10.13.128.2/32"),)
    assert config.dns == (ip_address("10.0.0.243"), ip_address("10.0.0.242"))
    (peer,) = config.peers
    assert (peer.public_key, peer.endpoint) == (key(51), Endpoint("195.246.120.33", 1337))
    assert peer.allowed_ips == (ip_network("0.0.0.0/0"),)  # PIA has no IPv6: the gateway rejects it at once
    opened = len(world.outgoing.opened)
    assert await provider.tunnel("se_stockholm") == config  # one connect asks several times
    assert len(world.outgoing.opened) == opened


async def test_pia_authority_is_recognized_by_its_fingerprint(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name and a password are enough; what is published under PIA's name is used only where it is PIA's."""
    case = BY_NAME["pia"]
    stand_in = await case.start(world)
    del world.apis["pia-server"]
    pem = world.authority.path.read_text()
    monkeypatch.setattr(pia_authority, "FINGERPRINT", hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest())
    stand_in.authority = Authority(tmp_path / "other").path.read_bytes()
    with pytest.raises(InvalidFieldError, match="cannot be fetched"):
        await PiaProvider(world.environment()).sign_in(case.good())
    stand_in.authority = pem.encode()
    provider = await case.signed_in(world)
    assert (await provider.tunnel("se_stockholm")).peers[0].public_key == key(51)
    asked = stand_in.count("GET", pia_authority.PATH)
    assert (await PiaProvider(world.environment()).tunnel("se_stockholm")).peers  # kept with the account
    assert stand_in.count("GET", pia_authority.PATH) == asked


def test_pia_fingerprint_is_that_of_the_published_copies() -> None:
    assert pia_authority.FINGERPRINT == "1fd25658456eab3041fba77ccd398ab8124edcc1b8b2fc1d55fdf6b1bbfc9d70"


async def test_pia_sign_in_requires_a_valid_authority(world: World) -> None:
    case = BY_NAME["pia"]
    await case.start(world)
    del world.apis["pia-server"]
    provider = PiaProvider(world.environment())
    with pytest.raises(InvalidFieldError, match="cannot be fetched") as refused:
        await provider.sign_in(case.good())
    assert refused.value.field == "ca_certificate"
    junk = "-----BEGIN CERTIFICATE-----\n" + "QUJD" * 40 + "\n-----END CERTIFICATE-----"
    for text in ("no certificate", junk):
        with pytest.raises(InvalidFieldError) as refused:
            await provider.sign_in({**case.good(), "ca_certificate": Secret(text)})
        assert refused.value.field == "ca_certificate"
    given = Secret(world.authority.path.read_text())
    await provider.sign_in({**case.good(), "ca_certificate": given})
    await provider.refresh()
    assert (await provider.tunnel("se_stockholm")).peers[0].public_key == key(51)


async def test_pia_server_of_another_authority_is_refused(world: World, tmp_path: Path) -> None:
    case = BY_NAME["pia"]
    await case.start(world)
    del world.apis["pia-server"]
    other = Authority(tmp_path / "other")
    provider = PiaProvider(world.environment())
    await provider.sign_in({**case.good(), "ca_certificate": Secret(other.path.read_text())})
    await provider.refresh()
    with pytest.raises(ProviderDownError) as refused:
        await provider.tunnel("se_stockholm")
    assert refused.value.code == "provider_certificate"


async def test_pia_new_sign_in_registers_a_new_key(world: World) -> None:
    case = BY_NAME["pia"]
    await case.start(world)
    provider = await case.signed_in(world)
    before = await provider.tunnel("se_stockholm")
    await provider.sign_out()
    await provider.sign_in(case.good())
    assert (await provider.tunnel("se_stockholm")).private_key != before.private_key


async def test_pia_token_is_used_until_it_is_refused(world: World) -> None:
    """PIA limits new tokens, so none is asked for before; a refusal comes with HTTP 200 from a server."""
    case = BY_NAME["pia"]
    stand_in = await case.start(world)
    stand_in.limited = True
    provider = await case.signed_in(world)
    world.ahead = 20 * DAY
    assert (await provider.account(refresh=True)).problem is None
    assert (await provider.tunnel("se_stockholm")).peers
    assert stand_in.count("POST", "/api/client/v2/token") == 1
    stand_in.limited = False
    stand_in.tokens.clear()
    assert (await PiaProvider(world.environment()).tunnel("se_stockholm")).peers
    stand_in.tokens.clear()
    assert await provider.diagnose() is Verdict.HEALTHY
    assert stand_in.count("POST", "/api/client/v2/token") == 3


async def test_pia_server_is_dialled_where_it_was_asked(world: World) -> None:
    case = BY_NAME["pia"]
    stand_in = await case.start(world)
    stand_in.added = {"server_ip": "198.51.100.1"}
    config = await (await case.signed_in(world)).tunnel("se_stockholm")
    assert config.peers[0].endpoint == Endpoint("195.246.120.33", 1337)


async def test_pia_sign_out_ends_the_token(world: World) -> None:
    case = BY_NAME["pia"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    assert await provider.sign_out() == ()
    assert not stand_in.tokens


async def test_pia_user_name_may_be_in_upper_case(world: World) -> None:
    case = BY_NAME["pia"]
    await case.start(world)
    provider = PiaProvider(world.environment())
    assert (await provider.sign_in({**case.good(), "username": Secret(pia.USER.upper())})).signed_in


@pytest.mark.parametrize(
    ("added", "error"),
    [
        ({"server_key": "x"}, BadAnswerError),
        ({"peer_ip": "nowhere"}, BadAnswerError),
        ({"server_port": 0}, BadAnswerError),
        ({"dns_servers": ["resolver"]}, BadAnswerError),
        ({"server_port": "1337"}, BadAnswerError),
        ({"status": "ERROR"}, WrongCredentialsError),
    ],
)
async def test_pia_registration_with_invalid_answer_is_refused(
    world: World, added: dict, error: type[Exception]
) -> None:
    case = BY_NAME["pia"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    stand_in.added = added
    with pytest.raises(error):
        await provider.tunnel("se_stockholm")


async def test_pia_refused_password_at_a_server_raises_credentials(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = BY_NAME["pia"]
    stand_in = await case.start(world)
    provider = await case.signed_in(world)
    stand_in.tokens.clear()
    monkeypatch.setattr(pia, "PASSWORD", "changed at PIA")
    with pytest.raises(WrongCredentialsError):
        await provider.tunnel("se_stockholm")


async def test_pia_regions_not_dialable_are_skipped_with_a_reason(world: World) -> None:
    case = BY_NAME["pia"]
    stand_in = await case.start(world)
    two = [{"ip": "195.246.120.33", "cn": "stockholm402"}, {"ip": "195.246.120.40", "cn": "stockholm410"}]
    stand_in.servers = pia.server_list(
        pia.region("se_stockholm", "195.246.120.33", "x", servers={"wg": two}),
        pia.region("off", "195.246.120.34", "x", offline=True),
        pia.region("old", "195.246.120.35", "x", servers={"ovpnudp": []}),
        {"id": "broken"},
    )
    provider = PiaProvider(world.environment())
    status = await provider.refresh()
    assert [s.hostname for s in await provider.servers()] == ["se_stockholm", "se_stockholm-2"]
    assert [(s.entry, s.bad) for s in status.skipped] == [("off", False), ("old", False), ("broken", True)]


def test_pia_stand_in_list_is_json_in_its_first_line() -> None:
    assert msgspec.json.decode(pia.DEFAULT_LIST.partition(b"\n")[0])["regions"]
