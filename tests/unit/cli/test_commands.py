"""The command as a process of its own, asking the real web application on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import keys
from tests.support.web_server import WebServer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def web():
    with WebServer() as server:
        yield server


@pytest.fixture
def run(web, tmp_path):
    def call(*arguments, stdin="", url=None, **environment):
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "VPN_GATEWAY_URL": url or web.url,
            "http_proxy": "http://127.0.0.1:9",  # must not be asked
            **environment,
        }
        command = [sys.executable, "-m", "app", "cli", *map(str, arguments)]
        options = {"cwd": ROOT, "env": env, "input": stdin, "timeout": 60}
        return subprocess.run(command, check=False, capture_output=True, text=True, **options)

    return call


def config():
    pair = keys.generate()
    return (
        f"[Interface]\nPrivateKey = {pair.private_key.reveal()}\nAddress = 10.0.0.2/32\n"
        f"[Peer]\nPublicKey = {keys.generate().public_key}\nEndpoint = 192.0.2.7:51820\nAllowedIPs = 0.0.0.0/0\n"
    )


def test_status_tells_people_and_by_its_exit_status_programs(run):
    down = run("status")
    assert (down.returncode, down.stderr) == (5, "")
    assert "State:       disconnected" in down.stdout
    assert "Kill switch: active" in down.stdout
    assert run("connect", "se-sto-wg-001").stdout == "Connected to se-sto-wg-001.\n"
    up = run("status")
    assert up.returncode == 0
    assert "se-sto-wg-001" in up.stdout
    assert run("disconnect").stdout == "Disconnected - No internet (killswitch active)\n"


def test_json_is_the_answer_of_the_api(run):
    answer = json.loads(run("--json", "servers", "gothenburg").stdout)
    assert [s["hostname"] for s in answer["servers"]["Sweden"]["Gothenburg"]] == ["se-got-wg-001"]
    assert answer["provider"] == "mullvad"


def test_servers_are_a_table(run):
    lines = run("servers").stdout.splitlines()
    assert lines[0].split() == ["SERVER", "CITY", "COUNTRY", "ADDRESS"]
    assert "de-ber-wg-001  Berlin      Germany  192.0.2.4" in lines


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["connect", "nowhere-wg-001"], 1, "vpn-gateway: "),
        (["connect"], 2, "Usage:"),
        (["frobnicate"], 2, "Usage:"),
        (["provider", "../status"], 1, "vpn-gateway: "),
        (["import", "/does/not/exist.conf"], 1, "No such file"),
        (["import", "-"], 2, "--name"),
        (["traffic", "--device", "02:00:00:00:00:01"], 2, "--by time"),
    ],
)
def test_what_goes_wrong_is_told_in_one_place(run, arguments, status, says):
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_gateway_that_is_away_has_an_exit_status_of_its_own(run):
    result = run("status", url="http://127.0.0.1:1")
    assert result.returncode == 3
    assert "http://127.0.0.1:1 does not answer" in result.stderr
    assert run("status", url="ftp://127.0.0.1").returncode == 1


def test_a_file_is_imported_under_its_name(run, web, tmp_path):
    file = tmp_path / "my-vps.conf"
    file.write_text(config())
    result = run("import", file)
    assert result.stdout.startswith("Imported as my-vps.\n"), result.stderr
    assert web.gateway.commands[-1].name == "my-vps"
    assert run("import", "-", "--name", "other", stdin=config()).returncode == 0
    assert web.gateway.commands[-1].name == "other"


def test_a_device_gets_its_policy(run):
    assert run("devices", "set", "02:00:00:00:00:77", "blocked", "--name", "TV").returncode == 0
    assert "02:00:00:00:00:77  TV" in run("devices").stdout
    bad = run("devices", "set", "02:00:00:00:00:77", "open")
    assert bad.returncode == 1
    assert "policy" in bad.stderr


def test_what_others_named_cannot_steer_the_terminal(run):
    name = "\x1b]0;owned\x07tv"
    run("devices", "set", "02:00:00:00:00:78", "blocked", "--name", name)
    shown = run("devices").stdout
    assert "\x1b" not in shown
    assert "owned" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(run, shell):
    script = run("completion", shell)
    assert script.returncode == 0
    assert "_VPN_GATEWAY_COMPLETE" in script.stdout


def test_bash_completes_commands_and_servers(run):
    ask = {"_VPN_GATEWAY_COMPLETE": "bash_complete"}
    commands = run(COMP_WORDS="vpn-gateway dis", COMP_CWORD="1", **ask).stdout
    assert commands.split() == ["plain,disconnect"]
    servers = run(COMP_WORDS="vpn-gateway connect se-s", COMP_CWORD="2", **ask).stdout
    assert servers.split() == ["plain,se-sto-wg-001", "plain,se-sto-wg-002"]
    away = run(COMP_WORDS="vpn-gateway connect se-s", COMP_CWORD="2", url="http://127.0.0.1:1", **ask)
    assert (away.stdout.strip(), away.stderr, away.returncode) == ("", "", 0)


def test_reset_password_is_for_the_gateway_itself(run, tmp_path):
    result = run("reset-password", "--yes", "--state-dir", tmp_path / "none")
    assert result.returncode == 1
    assert "only on the gateway itself" in result.stderr


def test_a_backup_never_replaces_a_file(run, tmp_path):
    there = tmp_path / "there.age"
    there.write_text("precious")
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    result = run("backup", there, "--passphrase-file", phrase)
    assert result.returncode == 1
    assert "File exists" in result.stderr
    assert there.read_text() == "precious"
