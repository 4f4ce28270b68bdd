"""The command as a process of its own, asking the real web application on loopback."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.server
import json
import os
import shlex
import subprocess
import sys
import threading
import zipfile
from ipaddress import IPv4Address
from pathlib import Path

import msgspec
import pytest
import requests

from app import keys
from app.api.auth import tokens as jwts
from app.model import ExitSettings, Fallback, MtuSettings, Never, ProviderSettings, ServerChange
from app.protocol.answers import Opening
from app.protocol.commands import ChooseWan, SignIn, SignOut, UseFileKey
from app.protocol.device_history import DeviceRecord
from ci.labnet.owner import API_KEY, AUTHORIZATION, PASSWORD, own
from tests.support.fake_device_history import TV
from tests.support.web_server import WebServer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def web(tmp_path):
    state_dir = tmp_path / "web-state"
    state_dir.mkdir()
    own(state_dir)
    with WebServer(state_dir=state_dir) as server:
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
            **({"VPN_GATEWAY_TOKEN": API_KEY} if url is None else {}),
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


def test_restore_accepts_what_was_named_or_agreed_to(run, web, tmp_path):
    """Each opening is a question of its own; a program names it, and nothing is accepted in silence."""
    file, phrase, password = tmp_path / "gateway.age", tmp_path / "phrase", tmp_path / "password"
    password.write_text("correct horse battery\n")
    file.write_bytes(b"age")
    phrase.write_text("correct horse battery\n")
    web.gateway.opens = (Opening("direct", "TV"), Opening("roles", "the network ports"))
    command = ("restore", file, "--passphrase-file", phrase, "--password-file", password)
    dry = run(*command, "--dry-run")
    assert "opens direct: TV" in dry.stderr
    assert run(*command, stdin="y\ny\ny\n").returncode == 0
    assert web.gateway.commands[-1].accept == ("direct", "roles")
    before = len(web.gateway.commands)
    assert run(*command, stdin="y\ny\nn\n").returncode != 0
    assert all(sent.dry_run for sent in web.gateway.commands[before:])
    assert run(*command, "--yes", "--accept", "direct").returncode == 0
    assert (web.gateway.commands[-1].accept, web.gateway.commands[-1].dry_run) == (("direct",), False)


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


def test_status_names_resolvers_and_what_is_wrong_with_them(run, web):
    assert "Resolvers" not in run("status").stdout
    assert run("connect", "se-sto-wg-001").returncode == 0
    web.gateway.set_exit(
        msgspec.structs.replace(web.gateway.state.exit(), resolvers=("10.64.0.1", "9.9.9.9"), dns_problem="one is dead")
    )
    shown = [line.split(":", 1) for line in run("status").stdout.splitlines()]
    assert [(name, text.strip()) for name, text in shown if "esolver" in name] == [
        ("Resolvers", "10.64.0.1, 9.9.9.9"),
        ("Resolvers' fault", "one is dead"),
    ]


def test_mtu_is_shown_and_set_by_exit_and_provider(run, web):
    assert run("mtu").stdout.split() == ["FOR", "NAME", "SET", "TO", "NOW", "FROM", "exit", "default", "auto", "-", "-"]
    assert run("mtu", "1380").stdout == "The MTU of exit default is 1380 now.\n"
    assert run("mtu", "1300", "--provider", "mullvad").stdout == "The MTU of provider mullvad is 1300 now.\n"
    assert web.gateway.accounts.preferences.mtu == MtuSettings({"default": 1380}, {"mullvad": 1300})
    assert run("mtu").stdout.splitlines()[2].split()[:3] == ["provider", "mullvad", "1300"]
    assert run("mtu", "auto").returncode == 0
    assert web.gateway.accounts.preferences.mtu == MtuSettings(providers={"mullvad": 1300})
    bad = run("mtu", "1000")
    assert bad.returncode == 2
    assert "1280" in bad.stderr


def test_exits_are_made_changed_renamed_and_removed(run, web):
    made = run(
        "exit", "add", "tv", "--target", "fastest:Sweden", "--fallback", "Norway", "--fallback", "imported/berlin"
    )
    assert made.stdout == "The exit tv is there now.\n", made.stderr
    assert run("exit", "set", "tv", "--never-country", "us", "--mtu", "1380", "--dns", "9.9.9.9").returncode == 0
    assert run("exit", "set", "tv", "--never-hoster", "M247", "--target", "none").returncode == 0
    assert run("exit", "rename", "tv", "telly").stdout == "The exit tv is called telly now.\n"
    assert web.gateway.state.exit_settings[1] == ExitSettings(
        "telly",
        fallbacks=(Fallback("Norway"), Fallback("berlin", "imported")),
        dns=(IPv4Address("9.9.9.9"),),
        mtu=1380,
        never=Never(hosters=("M247",), countries=("us",)),
    )
    assert run("exits").stdout.splitlines()[2].split()[:2] == ["telly", "disconnected"]
    assert run("exit", "set", "telly", "--mtu", "auto", "--dns", "none", "--never-country", "none").returncode == 0
    assert web.gateway.state.exit_settings[1].never == Never(hosters=("M247",))
    assert run("devices", "set", "02:00:00:00:00:01", "vpn:telly").returncode == 0
    refused = run("exit", "remove", "telly")
    assert (refused.returncode, "say what is next" in refused.stderr) == (1, True)
    assert run("exit", "remove", "telly", "--then", "blocked").stdout == "The exit telly is removed.\n"
    assert run("exit", "set", "telly").returncode == 2


def test_exit_changes_its_server_by_the_clock(run, web):
    change = ("--change", "daily 04:00 random:Sweden")
    made = run("exit", "add", "tv", *change, "--change", "sat,sun 20:30 New York", "--fallback", "imported/berlin")
    assert made.returncode == 0, made.stderr
    changes = (ServerChange(240, select="random:Sweden"), ServerChange(1230, frozenset({5, 6}), "New York"))
    assert web.gateway.state.exit_settings[1].server_changes == changes
    shown = [" ".join(line.split()) for line in run("exit", "show", "tv").stdout.splitlines()]
    assert shown == [
        "provider: the gateway's",
        "fallback: imported/berlin",
        "mtu: auto",
        "auto-connect: yes",
        "change: daily 04:00 random:Sweden",
        "change: sat,sun 20:30 New York",
    ]
    assert run("exit", "set", "tv", "--change", "none").returncode == 0
    assert web.gateway.state.exit_settings[1].server_changes == ()
    assert run("exit", "set", "tv", "--change", "daily").returncode == 2


def test_connect_without_a_server_goes_to_the_target(run, web):
    assert run("connect").returncode == 1
    assert run("exit", "add", "tv", "--target", "se-sto-wg-001").returncode == 0
    assert run("connect", "--exit", "tv").stdout == "Connected to se-sto-wg-001.\n"
    status = run("status")
    assert "Exit tv:" in status.stdout
    assert "connected, se-sto-wg-001" in status.stdout


def test_post_quantum_is_shown_and_set_by_provider(run, web):
    assert run("post-quantum", "--provider", "mullvad").stdout == "Post-quantum keys with mullvad: prefer.\n"
    web.gateway.accounts.settings = ProviderSettings(port=53)
    assert run("post-quantum", "require", "--provider", "mullvad").stdout.endswith("mullvad: require.\n")
    assert web.gateway.accounts.settings == ProviderSettings(port=53, post_quantum="require")
    assert run("post-quantum", "always", "--provider", "mullvad").returncode == 2


def test_ports_are_a_table_and_one_is_made_the_wan(run, web):
    lines = run("ports").stdout.splitlines()
    assert lines[0].split() == ["PORT", "ROLE", "MAC", "PLACE", "DRIVER", "CABLE"]
    assert lines[1].split() == ["eth0", "wan", "00:e0:4c:00:00:01", "usb-1.1@0000:01:00.0", "r8152", "in"]
    assert lines[3].split() == ["radio0", "none", "dc:a6:32:00:00:03", "-", "brcmfmac", "radio"]
    assert run("wan", "usb-1.2").stdout == "The WAN is eth1 now.\n"
    assert web.gateway.commands[-1] == ChooseWan("usb-1.2")
    lost = run("wan", "auto")
    assert (lost.returncode, lost.stdout) == (0, "it is not known which port is the WAN\n")
    assert web.gateway.commands[-1] == ChooseWan(None)
    assert "it is not known which port is the WAN" in run("ports").stderr
    refused = run("wan", "radio0")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "radio0 is a radio" in refused.stderr
    assert json.loads(run("--json", "wan", "eth0").stdout)["interface"] == "eth0"


def test_unusable_settings_are_shown_by_every_interface(run, web):
    problem = "settings.json: damaged entries were left out (lan.address: the LAN must be in a private range)"
    assert "Problems" not in run("status").stdout
    web.gateway.state = msgspec.structs.replace(web.gateway.state, problems=(problem, "another"))
    assert f"Problems:    {problem}; another\n" in run("status").stdout
    asked = requests.post(
        f"{web.url}/graphql", json={"query": "{ status { problems } }"}, headers=AUTHORIZATION, timeout=20
    ).json()
    shown = requests.get(f"{web.url}/api/status", headers=AUTHORIZATION, timeout=20).json()
    assert shown["problems"] == asked["data"]["status"]["problems"] == [problem, "another"]


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
        (["connect"], 1, "server is missing"),  # the exit has no target of its own
        (["admit"], 2, "Usage:"),
        (["frobnicate"], 2, "Usage:"),
        (["provider", "../status"], 1, "vpn-gateway: "),
        (["import", "/does/not/exist.conf"], 1, "No such file"),
        (["import", "-"], 2, "--name"),
        (["traffic", "--device", "02:00:00:00:00:01"], 2, "--by time"),
    ],
)
def test_errors_go_to_stderr_alone(run, arguments, status, says):
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
    sent = web.gateway.commands[-1]
    assert (sent.name, sent.from_file) == ("my-vps.conf", True)
    assert run("import", "-", "--name", "other", stdin=config()).returncode == 0
    assert web.gateway.commands[-1].name == "other"


def test_a_file_is_imported_as_people_name_and_save_it(run, web, tmp_path):
    file = tmp_path / "us+nyc (1).conf.txt"
    file.write_bytes((config() + "# für unterwegs\n").encode("cp1252"))
    result = run("import", file)
    assert result.stdout.startswith("Imported as us-nyc 1.\n"), result.stderr
    assert "für unterwegs" in web.gateway.commands[-1].config


def test_an_import_tells_the_command_that_opens_the_whole_list(run, web, tmp_path):
    conf = config().replace("192.0.2.7", "se-sto.mullvad.net")
    file = tmp_path / "my vpn.conf"
    file.write_text(conf)
    told = run("import", file).stdout.splitlines()
    assert told == [
        "Imported as my vpn.",
        (
            "This is a file of Mullvad: its key opens all of Mullvad's servers (4), "
            "by: vpn-gateway use-key mullvad 'my vpn'"
        ),
    ]
    zipped = tmp_path / "all.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in ("se.conf", "no.conf", "work.conf"):
            archive.writestr(name, conf if name != "work.conf" else config())
    lines = run("import", zipped).stdout.splitlines()
    assert len(lines) == 4  # one offer a provider
    assert lines[-1].endswith("vpn-gateway use-key mullvad se")
    used = run(*shlex.split(told[1].partition(": vpn-gateway ")[2]))
    assert used.stdout == "The key of my vpn is used for all servers of mullvad.\n", used.stderr
    assert web.gateway.commands[-1] == UseFileKey("mullvad", "my vpn")
    assert json.loads(run("--json", "use-key", "mullvad", "se").stdout)["account"]["from_file"] == "se"
    refused = run("use-key", "custom", "se")
    assert (refused.returncode, refused.stdout) == (1, "")


def test_support_file_is_written_never_over_another_file(run, web, tmp_path):
    """The support file goes where the option says, and never over an existing file."""
    file = tmp_path / "support.txt"
    assert "Read it before you share it" in run("support", "--output", file).stdout
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("VPN Gateway: support file\n", 0o600)
    again = run("support", "--output", file)
    assert (again.returncode, again.stdout) == (1, "")
    assert "File exists" in again.stderr
    assert run("support", "--output", "-").stdout == "VPN Gateway: support file\n"
    assert json.loads(run("--json", "support", "--output", tmp_path / "two.txt").stdout)["bytes"] == 26


def test_device_is_shown_changed_admitted_and_forgotten(run):
    mac = "02:00:00:00:00:77"
    changed = run("device", mac, "--name", "Telly 2", "--group", "Living", "--address", "192.168.77.9")
    assert (changed.returncode, changed.stdout) == (0, f"{mac}: changed\n")
    shown = run("device", "telly 2").stdout
    for text in ("Living", "192.168.77.9", "vpn", "disconnected", "0 B up, 0 B down in 24 hours"):
        assert text in shown
    assert run("device", "Telly 2", "--group", "").returncode == 0
    assert json.loads(run("--json", "device", mac).stdout)["group"] is None
    assert run("admit", "Telly 2").stdout == f"{mac}: admitted\n"
    assert run("forget", "Telly 2").stdout == f"{mac}: forgotten\n"
    gone = run("forget", "Telly 2")
    assert (gone.returncode, "no device is known as 'Telly 2'" in gone.stderr) == (1, True)
    refused = run("device", mac, "--address", "192.168.77.1")
    assert (refused.returncode, "address" in refused.stderr) == (1, True)


def test_history_of_a_device_is_a_table(run, web):
    records = web.gateway.device_history.records
    texts = (
        ("exception_start", {"policy": "direct", "until": 1.7e9, "by": "admin", "reason": "football"}),
        ("exception_start", {"policy": "blocked", "until": 1.7e9, "by": "admin", "group": "Children"}),
        ("exception_end", {"before": "direct", "policy": "vpn", "cause": "time"}),
        ("policy", {"before": "vpn", "policy": "blocked", "cause": "group_schedule", "group": "Children"}),
        ("own_policy", {"policy": "vpn:se"}),
        ("renamed", {"name": "Telly", "before": "\x1b[2J"}),
        ("group", {"before": "Children"}),
        ("fixed_address", {"address": "192.168.77.9"}),
        ("self_service", {"allow": "pause"}),
        ("self_service", {}),
        ("appeared", {"address": "192.168.77.20", "name": "tv"}),
        ("online", {}),
    )
    records[TV] = tuple(
        DeviceRecord(id=n, time=1.7e9, change=change, **fields) for n, (change, fields) in enumerate(texts, 1)
    )
    head, *lines = run("device-history", "Telly", TZ="UTC").stdout.splitlines()
    assert head.split() == ["TIME", "CHANGE", "DETAILS"]
    assert [line.removeprefix("2023-11-14 22:13:20  ") for line in reversed(lines)] == [
        "exception start  direct until 2023-11-14 22:13:20, by admin: football",
        "exception start  group Children: blocked until 2023-11-14 22:13:20, by admin",
        "exception end    direct -> vpn: its time was over",
        "policy           vpn -> blocked: the schedule of its group Children",
        "own policy       none -> vpn:se",
        "renamed          \N{REPLACEMENT CHARACTER}[2J -> Telly",
        "group            Children -> none",
        "fixed address    none -> 192.168.77.9",
        "self service     pause",
        "self service     as all",
        "appeared         192.168.77.20 tv",
        "online",
    ]
    newest = json.loads(run("--json", "device-history", TV, "--limit", 1).stdout)
    assert newest == {"history": [{"id": 12, "time": 1.7e9, "change": "online"}], "next": 12}
    assert run("device-history", "02:00:00:00:00:99").returncode == 1
    assert run("device-history", TV, "--limit", 0).returncode == 2


def test_new_devices_follow_the_default_or_wait(run):
    assert run("new-devices").stdout == "default\n"
    assert run("new-devices", "wait").stdout == "wait\n"
    assert run("new-devices", "never").returncode == 2


def test_default_policy_is_shown_and_set(run, web, tmp_path):
    assert run("default-policy").stdout == "vpn\n"
    assert run("default-policy", "blocked").stdout == "blocked\n"
    assert run("default-policy", "open").returncode == 1
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    assert run("default-policy", "direct", "--password-file", password).stdout == "direct\n"
    assert web.gateway.commands[-1].password == PASSWORD


def test_a_device_gets_its_policy(run, web):
    assert run("devices", "set", "02:00:00:00:00:77", "blocked", "--name", "TV").returncode == 0
    assert "02:00:00:00:00:77  TV" in run("devices").stdout
    for name in ("tv", "02-00-00-00-00-77"):
        assert run("devices", "set", name, "inherit").returncode == 0
        assert web.gateway.commands[-1].mac == "02:00:00:00:00:77"
    bad = run("devices", "set", "02:00:00:00:00:77", "open")
    assert bad.returncode == 1
    assert "policy" in bad.stderr


def test_what_others_named_cannot_steer_the_terminal(run):
    name = "\x1b]0;owned\x07tv"
    run("devices", "set", "02:00:00:00:00:78", "blocked", "--name", name)
    shown = run("devices").stdout
    assert "\x1b" not in shown
    assert "owned" in shown


def test_rebind_exceptions_are_added_listed_and_removed(run):
    assert run("rebind-exceptions", "add", "plex.direct").stdout == "plex.direct\n"
    assert run("rebind-exceptions", "add", "plex.direct").stdout == "plex.direct\n"
    assert run("rebind-exceptions", "add", "corp.example").stdout == "plex.direct\ncorp.example\n"
    assert json.loads(run("--json", "rebind-exceptions").stdout) == ["plex.direct", "corp.example"]
    assert run("rebind-exceptions", "remove", "plex.direct").stdout == "corp.example\n"


def test_host_names_are_added_listed_and_removed(run):
    assert run("host-names", "add", "gateway.home.example").stdout == "gateway.home.example\n"
    assert run("host-names", "add", "gateway.home.example").stdout == "gateway.home.example\n"
    assert run("host-names", "add", "vpn.corp.example").stdout == "gateway.home.example\nvpn.corp.example\n"
    assert json.loads(run("--json", "host-names").stdout) == ["gateway.home.example", "vpn.corp.example"]
    assert run("host-names", "remove", "Gateway.home.example").stdout == "vpn.corp.example\n"
    assert run("rebind-exceptions").stdout == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(run, shell):
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


def test_reset_password_works_with_the_commands_packages(run, tmp_path):
    """The process that resets the password finds the same Python packages as the command line."""
    state, packages = tmp_path / "state", tmp_path / "packages"
    state.mkdir()
    packages.mkdir()
    (packages / "sitecustomize.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'a').write('once ')\n")
    result = run("reset-password", "--yes", "--state-dir", state, PYTHONPATH=str(packages))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "The password was removed. Set a new one in the web interface.\n"
    assert (tmp_path / "loaded").read_text() == "once once "


def test_a_backup_never_replaces_a_file(run, tmp_path):
    there = tmp_path / "there.age"
    there.write_text("precious")
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    result = run("backup", there, "--passphrase-file", phrase, stdin=f"{PASSWORD}\n")
    assert result.returncode == 1
    assert "File exists" in result.stderr
    assert there.read_text() == "precious"


# --- other answers than the gateway's -------------------------------------------------------------------------------


@contextlib.contextmanager
def stranger(answer):
    """Something else at the gateway's address. It sends ``answer``, a whole response, or the next of several."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.wfile.write(answer if isinstance(answer, bytes) else next(answer))

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def response(content, media_type, length=None, status="200 OK"):
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {size}\r\n\r\n".encode() + content


@pytest.fixture
def phrase(tmp_path):
    file = tmp_path / "phrase"
    file.write_text("correct horse battery staple\n")
    return file


@pytest.mark.parametrize(
    "answer",
    [
        response(b"<h1>My router</h1>", "text/html"),
        response(b"<h1>My router</h1>", "application/json"),
        response(b"\xff\xfe", "application/json"),
        response(b"[]", "application/json"),
        response(b"{}", "application/json"),
        response(b"", "application/json", status="204 No Content"),
    ],
)
@pytest.mark.parametrize("command", ["status", "history"])
def test_other_servers_answers_are_reported_in_words(run, answer, command):
    with stranger(answer) as url:
        result = run(command, url=url)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("vpn-gateway: ")
    assert "gateway" in result.stderr.removeprefix("vpn-gateway: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (response(b"age-encryption.org/v1\n...", "application/octet-stream", length=5000), 3),  # cut off
        (response(b"<h1>My router</h1>", "text/html"), 1),
    ],
)
def test_only_a_whole_backup_is_one(run, tmp_path, phrase, answer, status):
    file = tmp_path / "new.age"
    answers = iter([response(b'{"second_factor":false}', "application/json"), answer])
    with stranger(answers) as url:
        result = run("backup", file, "--passphrase-file", phrase, stdin=f"{PASSWORD}\n", url=url)
    assert (result.returncode, result.stdout) == (status, "")
    assert not file.exists()


def too_many(retry_after, code="rate_limited"):
    error = json.dumps({"success": False, "error": "too many requests: at most 10 a second", "code": code}).encode()
    head, content = response(error, "application/json", status="429 Too Many Requests").split(b"\r\n\r\n")
    return b"%s\r\nRetry-After: %d\r\n\r\n%s" % (head, retry_after, content)


def test_a_request_over_the_rate_limit_is_repeated(run, web):
    """Commands in a script, or beside an open page, failed for being quick."""
    status = response(
        requests.get(f"{web.url}/api/status", headers=AUTHORIZATION, timeout=20).content, "application/json"
    )
    with stranger(iter([too_many(1), too_many(1), status])) as url:
        result = run("--json", "status", url=url)
    assert (result.returncode, result.stderr) == (5, "")
    assert json.loads(result.stdout)["killswitch_active"] is True


@pytest.mark.parametrize("refusals", [[too_many(60)], [too_many(1, "busy")], [too_many(0)] * 6])
def test_a_rate_limit_that_stays_is_reported(run, refusals):
    with stranger(iter(refusals)) as url:
        result = run("status", url=url)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "vpn-gateway: too many requests: at most 10 a second\n"


def test_an_error_cannot_steer_the_terminal(run):
    error = json.dumps({"success": False, "error": "\x1b]0;owned\x07 no"}).encode()
    with stranger(response(error, "application/json", status="404 Not Found")) as url:
        result = run("status", url=url)
    assert result.returncode == 1
    assert "owned" in result.stderr
    assert "\x1b" not in result.stderr


def test_json_for_programs_cannot_steer_the_terminal_either(run):
    name = "\x9b31mtv\x7f\u202e"
    run("devices", "set", "02:00:00:00:00:78", "blocked", "--name", name)
    result = run("--json", "devices")
    assert not set("\x9b\x7f\u202e") & set(result.stdout)
    assert name in {d["name"] for d in json.loads(result.stdout)["devices"]}


@pytest.mark.parametrize("url", ["http://[::1", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none(run, url):
    result = run("status", url=url)
    assert result.returncode == 1
    assert "is not the address of a gateway" in result.stderr


def test_any_name_may_be_asked_for(run):
    for name in ("a b", "a&b=c", "\u00fc\n"):
        result = run("history", "--csv", "--exit", name)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("time_utc,")


# --- tokens ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(tmp_path, monkeypatch):
    """A gateway with a password, whose access tokens have ended when they are given; and the tokens of a sign-in."""
    monkeypatch.setattr(jwts, "ACCESS", -1)
    (tmp_path / "state").mkdir()
    with WebServer(state_dir=tmp_path / "state") as server:
        password = {"password": "correct horse battery"}
        assert requests.post(f"{server.url}/api/auth/password", json=password, timeout=20).ok
        answer = requests.post(f"{server.url}/api/auth/login", json=password, timeout=20).json()
        kept = {"access": answer["access_token"], "refresh": answer["refresh_token"]}
        (tmp_path / ".config/vpn-gateway").mkdir(parents=True)
        (tmp_path / ".config/vpn-gateway/tokens.json").write_text(json.dumps({server.url: kept}))
        monkeypatch.setattr(jwts, "ACCESS", 900)
        yield server


def test_many_commands_at_once_renew_the_tokens_once(run, signed_in):
    """Each refresh token is good once: were it used by two, the session would end."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: run("providers", url=signed_in.url), range(6)))
    assert [(r.returncode, r.stderr) for r in results] == [(0, "")] * 6
    assert run("providers", url=signed_in.url).returncode == 0


def test_failing_gateway_does_not_cost_the_tokens(run, signed_in, tmp_path):
    file = tmp_path / ".config/vpn-gateway/tokens.json"
    before = json.loads(file.read_text())
    (kept,) = before.values()
    answers = iter(
        [
            response(b'{"success":false,"error":"sign in first"}', "application/json", status="401 Unauthorized"),
            response(b'{"success":false,"error":"slow down"}', "application/json", status="429 Too Many Requests"),
        ]
    )
    with stranger(answers) as url:
        file.write_text(json.dumps({url: kept}))
        result = run("status", url=url)
    assert (result.returncode, result.stderr) == (1, "vpn-gateway: slow down\n")
    assert json.loads(file.read_text()) == {url: kept}


def test_signing_out_is_said_only_where_it_is_so(run, signed_in, tmp_path):
    result = run("logout", url=signed_in.url)
    assert (result.returncode, result.stderr) == (0, "Signed out.\n")
    with stranger(response(b'{"success":false,"error":"oh"}', "application/json", status="500 Oh")) as url:
        result = run("logout", url=url)
    assert (result.returncode, result.stderr) == (1, "vpn-gateway: oh\n")


def test_sign_in_asks_for_the_providers_fields_and_hides_them(run, web):
    number = "1234123412341234"
    wrong = run("sign-in", "mullvad", stdin="9" * 16 + "\n")
    assert wrong.returncode == 1
    assert "no such account" in wrong.stderr
    done = run("sign-in", "mullvad", stdin=f"{number}\n")
    assert (done.returncode, done.stdout) == (0, "Signed in to Mullvad, 90 days left.\n")
    assert "Account number" in done.stderr
    assert "control echo" in done.stderr  # getpass, which says that this is no terminal
    assert number not in done.stdout + done.stderr
    assert web.gateway.commands[-1].credentials == {"account_number": number}
    assert json.loads(run("--json", "sign-in", "mullvad", stdin=f"{number}\n").stdout)["account"]["signed_in"]
    assert run("sign-out", "mullvad").stdout == "Signed out.\n"
    assert isinstance(web.gateway.commands[-1], SignOut)


def test_sign_in_without_a_form_or_an_answer_is_refused(run, web):
    none = run("sign-in", "custom", stdin="x\n")
    assert (none.returncode, none.stderr) == (1, "vpn-gateway: Custom has no accounts\n")
    assert run("sign-in", "nobody").returncode == 1
    assert run("sign-in", "mullvad", stdin="").returncode == 1
    assert not any(isinstance(command, SignIn) for command in web.gateway.commands)


def test_canary_and_report_are_shown_and_exits_opened(run, web):
    shown = run("canary")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[1].split()[0] == "default"
    assert "3 rounds, 54 probes, 0 packets leaked" in shown.stdout
    assert "A report." in run("leak-test", "--report").stdout
    assert run("canary", "--open").returncode == 1, "nothing is shut"
    web.gateway.canary = msgspec.structs.replace(web.gateway.canary, leaked=2, shut="All exits are blocked")
    leaked = run("canary")
    assert (leaked.returncode, "All exits are blocked" in leaked.stdout) == (6, True)
    web.gateway.canary = msgspec.structs.replace(web.gateway.canary, enabled=False)
    assert "All exits are blocked" in run("canary").stdout, "also where it has been switched off since"
    assert "open again" in run("canary", "--open").stdout


def test_exceptions_are_made_listed_extended_and_ended(run, web, tmp_path):
    run("devices", "set", "02:00:00:00:00:77", "vpn", "--name", "Telly 2")
    made = run("except", "telly 2", "blocked", "--for", "30m", "--reason", "homework")
    assert made.stdout.startswith("1: 02:00:00:00:00:77 blocked until ")
    assert web.gateway.commands[-1].seconds == 1800
    listed = run("exceptions").stdout
    assert "homework" in listed
    assert "29 min" in listed
    assert run("exceptions", "extend", "1", "--until", "23:59").returncode == 0
    assert run("exceptions", "end", "1").stdout == "1: ended\n"
    assert json.loads(run("--json", "exceptions").stdout) == {"exceptions": []}
    gone = run("exceptions", "end", "1")
    assert (gone.returncode, "no open exception" in gone.stderr) == (1, True)
    for wrong in (("telly 2", "blocked"), ("nobody", "blocked", "--for", "1m"), ("telly 2", "blocked", "--for", "1y")):
        assert run("except", *wrong).returncode in {1, 2}
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    assert run("except", "telly 2", "direct", "--for", "5m", "--password-file", password).returncode == 0
    assert run("exceptions", "extend", "1", "--for", "9m", "--password-file", password).returncode == 0
    assert web.gateway.commands[-1].password == PASSWORD


def test_groups_and_schedules_are_set_and_shown(run, web):
    bedtime = ("--at", "sun-thu 21:00-07:00 blocked")
    assert run("groups", "set", "children", "--policy", "vpn", *bedtime).returncode == 0
    assert "sun,mon" not in run("groups").stdout
    assert "mon,tue,wed,thu,sun 21:00-07:00 blocked" in run("groups").stdout
    assert run("except", "children", "blocked", "--group", "--for", "1h").returncode == 0
    assert run("groups", "remove", "children").returncode == 0
    assert run("schedule", "02:00:00:00:00:01", "--at", "weekend 10:00-12:00 vpn").returncode == 0
    assert run("schedule", "Telly").stdout == "sat,sun 10:00-12:00 vpn\n"
    assert run("schedule", "Telly", "--clear").returncode == 0
    assert run("schedule", "Telly").stdout == ""
    for wrong in ("21:00-07:00 blocked", "mon 25:00-07:00 blocked", "someday 1:00-2:00 vpn", "mon 1:00 vpn"):
        assert run("schedule", "Telly", "--at", wrong).returncode == 2
    assert run("time-zone").stdout == "UTC\n"
