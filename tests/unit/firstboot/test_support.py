"""The support file on the FAT partition: requested by an empty file, made with netd and without, free of secrets."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import UnavailableError
from app.firstboot import after_netd, support
from app.firstboot.configuration import store_config
from app.firstboot.fat import Fat
from app.firstboot.gateway_toml import parse
from app.firstboot.paths import Paths
from app.firstboot.programs import ProgramError
from app.ipc import Server
from app.protocol.commands import MakeSupportFile
from tests.support.fake_gateway import FakeGateway
from tests.support.file_calls import blocking_file_calls
from tests.unit.store.test_sensitive_values import fill

ROOT = Path(__file__).parents[3]
SETUP = """
[system]
hostname = "annas-box"
[wifi]
country = "SE"
[wifi.access_point]
ssid = "Anna & Co"
passphrase = "correct horse"
[vpn]
provider = "mullvad"
[vpn.account]
account_number = "9876987698769876"
"""
HIDDEN = ("Anna & Co", "correct horse", "annas-box", "9876987698769876")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def netd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    """A gateway that answers on netd's socket, in a separate thread as netd is a separate process."""
    gateway = FakeGateway()
    loop = asyncio.new_event_loop()
    monkeypatch.setattr(after_netd, "SOCKET", tmp_path / "netd.sock")
    server = loop.run_until_complete(Server(gateway, after_netd.SOCKET, {os.getuid()}).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield gateway
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.close()


def set_up(paths: Paths) -> None:
    store_config(paths, parse(SETUP))


@pytest.mark.parametrize(
    ("name", "content", "asks"),
    [
        ("support", b"", True),
        ("SUPPORT", b"please\r\n", True),
        ("support.txt", b"", True),
        ("Support.TXT", b"\xff\xfe\r\x00\n\x00", True),  # PowerShell's echo "" > support.txt
        ("support.txt", b"VPN Gateway: support file\r\n", False),
        ("support.conf", b"", False),
        ("supports", b"", False),
    ],
)
async def test_support_file_is_made_on_request(
    paths: Paths, state: Path, netd: FakeGateway, name: str, content: bytes, asks: bool
) -> None:
    (paths.fat / name).write_bytes(content)
    unit = (ROOT / "overlay/usr/lib/systemd/system/vpn-gateway-support.service").read_text()
    globs = re.findall(r"^ConditionPathExistsGlob=\|/boot/firmware/(.*)$", unit, re.MULTILINE)
    started = any(fnmatch.fnmatchcase(name, glob) for glob in globs)
    assert started or not asks, "systemd would not start it"
    with blocking_file_calls(paths.fat.parent) as blocking:
        assert await support.answer_request(paths, state, [], settled=0) is asks
    assert blocking == []
    left = {path.name.lower(): path.read_bytes() for path in paths.fat.iterdir()}
    if asks:
        assert set(left) == {"support.txt"}
        assert left["support.txt"].startswith(b"VPN Gateway: support file\r\n")
        assert not await support.answer_request(paths, state, [], settled=0), "once is enough"
    else:
        assert left == {name: content}
        assert netd.commands == []


async def test_netds_support_file_hides_secrets_of_the_set_up(paths: Paths, state: Path, netd: FakeGateway) -> None:
    set_up(paths)
    (paths.fat / "support").touch()
    netd.support_text = f"State\n=====\n\nconnected, public-address-1, {', '.join(HIDDEN)}\n"
    assert await support.answer_request(
        paths, state, ["wifi.country: two letters", f"a fault of {HIDDEN[0]}"], settled=0
    )
    assert netd.commands == [MakeSupportFile()]
    text = (paths.fat / "support.txt").read_text()
    assert "connected, public-address-1, wifi-name-1, ***, gateway-name-1, ***" in text
    assert "wifi.country: two letters" in text
    assert not [hidden for hidden in HIDDEN if hidden in text]


def test_support_file_is_made_without_netd(paths: Paths, state: Path) -> None:
    """It runs in a separate process, with the machine's real programs."""
    set_up(paths)
    secrets = fill(state)
    (paths.fat / "support").touch()
    (paths.fat / "SUPPORT.TXT").write_text("an older one")
    script = f"""
import asyncio
from pathlib import Path
from app.firstboot import after_netd, support
from app.firstboot.paths import Paths
from app.firstboot.programs import ProgramError
after_netd.SOCKET, support.NETD_TIMEOUT = Path("/nowhere/netd.sock"), 0
paths = Paths(*map(Path, {[str(getattr(paths, field)) for field in ("fat", "data", "run")]!r}))
faults = ["told " + {" ".join([*secrets, *HIDDEN])!r}]
asyncio.run(support.answer_request(paths, Path({str(state)!r}), faults, settled=0))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    (file,) = paths.fat.iterdir()
    text = file.read_text()
    assert "(could not be read: netd does not answer" in text
    for title in ("Versions", "Board and firmware", "Network ports", "Firewall in the kernel", "Set-up from the card"):
        assert f"\n{title}\n{'=' * len(title)}\n" in text
    assert "MemAvailable:" in text
    assert '"devices": "1 with a policy"' in text
    assert "\ntold " in text
    assert not [hidden for hidden in (*HIDDEN, *secrets, "an older one") if hidden in text]


async def test_refusal_of_netd_is_in_the_support_file(
    paths: Paths, state: Path, netd: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    netd.failure = UnavailableError("a backup was restored and the gateway is restarting")

    async def nothing() -> list[support.Section]:
        return []

    monkeypatch.setattr(support.programs, "sections", nothing)  # the test's own process may not call them all
    text = await support.support_text(paths, state, [])
    assert "netd does not answer: a backup was restored" in text
    assert "\nVersions\n" in text


async def test_failed_write_keeps_the_request_and_is_retried(
    paths: Paths, state: Path, netd: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "RETRY_DELAY", 0.0)
    (paths.fat / "support").touch()
    tries: list[int] = []

    @contextlib.contextmanager
    def refused(self: Fat) -> Iterator[None]:
        tries.append(1)
        if len(tries) <= refusals:
            raise ProgramError("mount", "failed")
        yield

    monkeypatch.setattr(Fat, "writable", refused)
    refusals = support.ATTEMPTS
    with pytest.raises(ProgramError):
        await support.answer_request(paths, state, [], settled=0)
    assert [path.name for path in paths.fat.iterdir()] == ["support"]
    tries.clear()
    refusals = 1
    assert await support.answer_request(paths, state, [], settled=0)
    assert [path.name for path in paths.fat.iterdir()] == ["support.txt"]


def test_second_writer_of_the_partition_waits(paths: Paths) -> None:
    inside, free = threading.Event(), threading.Event()

    def other() -> None:
        inside.set()
        with Fat(paths.fat).writable():
            free.set()

    thread = threading.Thread(target=other)
    with Fat(paths.fat).writable():
        thread.start()
        inside.wait(5)
        assert not free.wait(0.2)
    thread.join(5)
    assert free.is_set()


def test_card_secrets_are_separated_from_names(paths: Paths) -> None:
    set_up(paths)
    secrets, names = support.card_secrets(paths.stored)
    assert {"correct horse", "9876987698769876"} <= secrets
    assert names == {"wifi-name": {"Anna & Co"}, "gateway-name": {"annas-box"}}
    paths.stored.write_bytes(paths.stored.read_bytes()[:-1])  # cut off
    assert {"correct horse", "9876987698769876", "Anna & Co"} <= support.card_secrets(paths.stored)[0]
    paths.stored.unlink()
    assert support.card_secrets(paths.stored) == (set(), {})
