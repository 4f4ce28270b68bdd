"""The step after netd: import, provider and connection are carried out once; temporary failures are retried."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, InvalidFieldError, NotFoundError, UnavailableError
from app.firstboot.after_netd import carry_out
from app.firstboot.configuration import load_config
from app.firstboot.gateway_toml import parse
from app.firstboot.paths import Paths
from app.firstboot.schema import Config
from app.model import LinkProblem
from app.protocol.commands import Connect, ImportConfig, SelectProvider, SignIn
from tests.support.fake_gateway import FakeGateway
from tests.support.file_calls import blocking_file_calls

CONF = "[Interface]\nPrivateKey = x\n"
VPN = parse("[vpn]\nprovider = 'custom'\nconnect = 'vpn-se'\n")


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


async def test_conf_files_are_imported_and_removed(paths: Paths, gateway: FakeGateway) -> None:
    (paths.fat / "Home.CONF").write_text(CONF)
    (paths.fat / "windows.conf").write_bytes(CONF.encode("utf-16"))
    with blocking_file_calls(paths.fat.parent) as blocking:
        outcome = await carry_out(paths, Config(), gateway)
    assert blocking == []
    assert (outcome.faults, outcome.retry) == ([], False)
    assert gateway.commands == [
        ImportConfig("Home.CONF", CONF, from_file=True),
        ImportConfig("windows.conf", CONF, from_file=True),
    ]
    assert list(paths.fat.iterdir()) == []


async def test_bad_file_is_reported_stays_and_blocks_no_other(paths: Paths, gateway: FakeGateway) -> None:
    (paths.fat / "a.conf").write_text("PrivateKey = hunter2")
    (paths.fat / "b.conf").write_bytes(b"#" * 1_000_000)
    (paths.fat / "c.conf").write_text(CONF)
    outcome = await carry_out(paths, VPN, gateway)
    assert [fault.split(":")[0] for fault in outcome.faults] == ["a.conf", "b.conf"]
    assert "hunter2" not in "".join(outcome.faults)
    assert not outcome.retry
    assert sorted(p.name for p in paths.fat.iterdir()) == ["a.conf", "b.conf"]
    assert gateway.commands[-1] == Connect("vpn-se")


async def test_file_imported_before_a_power_cut_is_only_removed(paths: Paths, gateway: FakeGateway) -> None:
    for _ in range(2):
        (paths.fat / "home.conf").write_text(CONF)
        assert (await carry_out(paths, Config(), gateway)).faults == []
        assert list(paths.fat.iterdir()) == []


async def test_unknown_wan_is_reported_and_retried(
    paths: Paths, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.firstboot.after_netd.SETTLE_TIME", 0.0)
    gateway.state = replace(gateway.state, wan=None, wan_problem=LinkProblem("wan_unknown", "which? enx1; enx2"))
    outcome = await carry_out(paths, Config(), gateway)
    assert (outcome.faults, outcome.retry) == (["network.wan: which? enx1; enx2"], True)


async def test_wan_in_the_lan_is_reported_with_the_key_that_mends_it(
    paths: Paths, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.firstboot.after_netd.SETTLE_TIME", 0.0)
    gateway.state = replace(gateway.state, wan_problem=LinkProblem("networks_overlap", "both are 192.168.77.0/24"))
    outcome = await carry_out(paths, Config(), gateway)
    assert (outcome.faults, outcome.retry) == (["network.lan_address: both are 192.168.77.0/24"], True)


async def test_connection_is_made_once_and_user_changes_stay(paths: Paths, gateway: FakeGateway) -> None:
    assert (await carry_out(paths, VPN, gateway)).faults == []
    assert gateway.commands == [SelectProvider("custom"), Connect("vpn-se")]
    await gateway.submit(SelectProvider("mullvad"))
    gateway.commands.clear()
    assert (await carry_out(paths, VPN, gateway)).faults == []  # the next start
    assert gateway.commands == []
    await carry_out(
        paths, parse("[vpn]\nprovider = 'custom'\nconnect = 'vpn-de'\n"), gateway
    )  # the file says something new
    assert gateway.commands == [SelectProvider("custom"), Connect("vpn-de")]


@pytest.mark.parametrize(
    ("failure", "retry"),
    [
        (UnavailableError("the provider does not answer"), True),
        (NotFoundError("there is no server 'vpn-se'"), False),
        (InvalidFieldError("account_number: 16 digits", field="account_number"), False),
    ],
)
async def test_temporary_failure_is_retried(
    paths: Paths, gateway: FakeGateway, failure: Exception, retry: bool
) -> None:
    gateway.failure = failure
    outcome = await carry_out(paths, VPN, gateway)
    assert outcome.faults == [f"vpn: {failure}"]
    assert outcome.retry is retry
    gateway.failure = None
    gateway.commands.clear()
    assert (await carry_out(paths, VPN, gateway)).faults == []
    assert gateway.commands[-1] == Connect("vpn-se")


ACCOUNT = "[vpn]\nprovider = 'mullvad'\nconnect = 'se-got-wg-001'\n[vpn.account]\naccount_number = '1234123412341234'\n"


def no_auth(action: str, text: str) -> None:
    raise AssertionError(action)


async def test_sign_in_precedes_connect_and_account_is_removed(paths: Paths, gateway: FakeGateway) -> None:
    (paths.fat / "gateway.toml").write_text(ACCOUNT)
    config, _ = load_config(paths, no_auth)
    outcome = await carry_out(paths, config, gateway)
    assert (outcome.faults, outcome.retry) == ([], False)
    assert gateway.commands == [
        SignIn("mullvad", {"account_number": "1234123412341234"}),
        Connect("se-got-wg-001"),
    ]
    everything = [p for p in paths.fat.parent.rglob("*") if p.is_file()]
    assert all(b"1234123412341234" not in p.read_bytes() for p in everything)
    gateway.commands.clear()
    config, _ = load_config(paths, no_auth)  # the next start
    await carry_out(paths, config, gateway)
    assert gateway.commands == []


@pytest.mark.parametrize(
    ("failure", "retry"),
    [(UnavailableError("the provider does not answer"), True), (ConflictError("too many devices"), False)],
)
async def test_account_is_kept_until_the_sign_in_succeeds(
    paths: Paths, gateway: FakeGateway, failure: Exception, retry: bool
) -> None:
    (paths.fat / "gateway.toml").write_text(ACCOUNT)
    for _ in range(3):
        gateway.failure = failure
        config, _ = load_config(paths, no_auth)
        outcome = await carry_out(paths, config, gateway)
        assert outcome.retry is retry
        assert "1234" not in "".join(outcome.faults)
    gateway.failure = None
    gateway.commands.clear()
    config, _ = load_config(paths, no_auth)
    assert (await carry_out(paths, config, gateway)).faults == []
    assert SignIn("mullvad", {"account_number": "1234123412341234"}) in gateway.commands
