"""The commands why, explain, me, self-service, as processes of their own."""

from __future__ import annotations

import json
import time

import pytest

from app.model import SelfService, VpnPolicy
from app.protocol.commands import ChangeOwnDevice, Explain, GetWhy, SetSelfService
from app.protocol.explanations import Supposition
from tests.support.fake_explanations import PHONE, TV
from tests.unit.cli.test_commands import PASSWORD, run, web  # noqa: F401 - fixtures


@pytest.mark.parametrize("device", [TV, TV.upper().replace(":", "-"), "telly", "Telly"])
def test_why_by_mac_or_name(run, web, device):  # noqa: F811
    done = run("why", device)
    assert web.gateway.commands[-1] == GetWhy(TV)
    assert done.returncode == 7
    lines = done.stdout.splitlines()
    assert lines[0] == "Telly has no Internet: its policy is: blocked."
    assert lines[1] == f"Next step: Give it the VPN again: vpn-gateway devices set {TV} vpn."
    assert lines[2].startswith("Note: The gateway has not seen")
    assert "Rule:    device_blocked" in lines
    assert "Counted: 7 packets of all devices" in lines


def test_why_a_device_has_internet(run, web):  # noqa: F811
    for device in ("phone", "192.168.77.21"):
        done = run("why", device)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("phone uses the Internet through the exit default, encrypted.")
    assert json.loads(run("--json", "why", PHONE).stdout)["state"] == "vpn"


def test_why_of_nobody(run, web):  # noqa: F811
    done = run("why", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no device is known as 'nobody'" in done.stderr


def test_explain_with_suppositions(run, web):  # noqa: F811
    done = run("explain", "phone", "www.example.org", "--exit-down", "default", "--policy", "vpn:work", "--wan-down")
    suppose = Supposition("default", VpnPolicy("work"), wan_down=True)
    assert web.gateway.commands[-1] == Explain("phone", "www.example.org", suppose=suppose)
    assert done.returncode == 0, done.stderr
    assert "Next step: Do something." in done.stdout
    assert "device_blocked" in done.stdout.splitlines()[-1]


def test_explain_at_another_time(run, web):  # noqa: F811
    assert run("explain", "phone", "9.9.9.9", "--when", "21:30", "--port", "53", "--protocol", "udp").returncode == 0
    command = web.gateway.commands[-1]
    assert (command.port, command.protocol, command.suppose) == (53, "udp", Supposition())
    assert 0 < command.when - time.time() <= 86400 + 3600  # a day with an hour more, where clocks change
    assert time.localtime(command.when)[3:5] == (21, 30)
    run("explain", "phone", "9.9.9.9", "--when", "2030-12-24T21:30")
    assert time.localtime(web.gateway.commands[-1].when)[:5] == (2030, 12, 24, 21, 30)
    assert run("explain", "phone", "9.9.9.9", "--when", "soon").returncode == 2


def test_me_decides_what_is_allowed(run, web):  # noqa: F811
    assert "phone uses the Internet" in run("me").stdout
    refused = run("me", "--pause", "30m")
    assert (refused.returncode, web.gateway.commands[-1]) == (1, ChangeOwnDevice("127.0.0.1", pause=1800))
    web.gateway.explanations.everybody = SelfService("all")
    assert "Exits to choose: default, second" in run("me", "--exit", "second").stdout
    run("me", "--exit", "admin")
    assert web.gateway.commands[-1] == ChangeOwnDevice("127.0.0.1", exit=None)
    assert run("me", "--pause", "0").returncode == 0
    assert run("me", "--pause", "soon").returncode == 2


def test_self_service_with_the_password(run, web, tmp_path):  # noqa: F811
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    assert run("self-service", "exit", "--exit", "second", "--device", "telly").returncode == 0
    assert web.gateway.commands[-1] == SetSelfService(TV, SelfService("exit", ("second",)))
    done = run("self-service", "pause", "--longest", "10m", "--password-file", file)
    assert done.returncode == 0, done.stderr
    assert web.gateway.commands[-1] == SetSelfService(None, SelfService("pause", None, 600), PASSWORD)
    assert run("self-service", "default").returncode == 2
    lines = run("self-service").stdout.splitlines()
    assert lines[1].split() == ["all", "others", "pause", "any", "10", "min"]
    assert lines[2].split()[:3] == [TV, "exit", "second"]
