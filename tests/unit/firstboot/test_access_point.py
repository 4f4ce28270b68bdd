"""The access point starts with the first configuration that works; the refused ones are reported.

hostapd is the real one. There is no radio, so a configuration that the radio refuses is one for a radio (``nl80211``)
on a link that is none, and one that it takes is for hostapd's driver of wired ports.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.firstboot import faults, radio
from app.firstboot.configuration import store_config
from app.firstboot.fat import REPORT, Fat
from app.firstboot.faults import Source
from app.firstboot.gateway_toml import parse
from app.firstboot.paths import Paths, write
from app.firstboot.report import report_all

ROOT = Path(__file__).parents[3]
AP = "[wifi]\ncountry = 'SE'\n[wifi.access_point]\nssid = 'Hemma'\npassphrase = 'correct horse'\n"
FIVE = AP + "band = '5GHz'\nchannel = 36\n"
WIRED = "driver=wired"


class Board:
    """A namespace with a bridge, and a link with the radio's name."""

    def __init__(self, run: Path, pid: str) -> None:
        self.run, self._pid = run, pid

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it. Its output goes to files: hostapd, which keeps running, would keep a pipe open."""
        entered = ("nsenter", "--target", self._pid, "--net", "--pid", "--", *command)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(entered, stdout=out, stderr=err, check=False, timeout=60)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(entered, done.returncode, out.read(), err.read())

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        head = f"import sys; from pathlib import Path; sys.path.insert(0, {str(ROOT)!r})\n"
        return self.inside(sys.executable, "-c", head + "from app.firstboot import access_point\n" + code)

    def start(self, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        return self.python(f"sys.exit(access_point.main(Path({str(self.run)!r}), {timeout}))")

    def state(self) -> str:
        """The state of hostapd, from its control interface."""
        control = self.run / radio.STATE / "control" / radio.RADIO
        return self.python(f"print(access_point._state(Path({str(control)!r})))").stdout.strip()

    def configure(self, text: str, *drivers: str) -> None:
        """The files that first boot writes; the drivers are for the first ones, the others have ``nl80211``."""
        files = radio.files(parse(text))
        for (name, content), driver in zip(files.items(), (*drivers, *[""] * len(files)), strict=False):
            here = content.replace("/run/vpn-gateway-ap", str(self.run / radio.STATE))
            if (
                driver == WIRED
            ):  # otherwise hostapd waits 5 s for the country's list of channels, which a wired port does not have
                here = here.replace("country_code=SE\nieee80211d=1\n", "")
            write(self.run / name, here.replace("driver=nl80211", driver or "driver=nl80211").encode(), 0o600)

    def faults(self) -> list[str]:
        return faults.recorded(self.run)


@pytest.fixture
def board(paths: Paths) -> Iterator[Board]:
    (paths.run / radio.STATE).mkdir()
    script = f"ip link add br-lan type bridge && ip tuntap add {radio.RADIO} mode tap && echo ready && exec sleep 1000"
    # Whatever is started in it ends with it.
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield Board(paths.run, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        finally:
            process.kill()


@pytest.mark.kernel
def test_first_accepted_configuration_runs_others_are_reported(board: Board) -> None:
    board.configure(FIVE, "driver=nl80211", "driver=nl80211", "driver=nl80211", WIRED)
    done = board.start()
    assert done.returncode == 0, done.stdout + done.stderr
    assert board.state() == "ENABLED"  # after the program that started it has ended
    (line,) = board.faults()
    assert line == (
        "wifi.access_point: the radio does not send at 5 GHz, channel 36, 80 MHz wide; nor at 5 GHz, channel 36, 40 MHz"
        " wide; nor at 5 GHz, channel 36, 20 MHz wide. It sends at 2.4 GHz, channel 6, 20 MHz wide instead."
    )
    assert "correct horse" not in done.stdout + done.stderr


@pytest.mark.kernel
def test_pid_file_names_hostapd_whose_end_leaves_the_bridge(board: Board) -> None:
    board.configure(AP, WIRED)
    for _ in range(2):  # the second time as systemd does it after a crash
        assert board.start().returncode == 0
        assert board.state() == "ENABLED"
        pid = (board.run / radio.STATE / "pid").read_text().strip()
        kill = f"import os, select; p = os.pidfd_open({pid}); os.kill({pid}, 9); select.select([p], [], [], 10)"
        assert board.python(kill).returncode == 0
        assert board.state() == "None"
        assert board.inside("ip", "link", "show", "br-lan").returncode == 0


@pytest.mark.kernel
def test_access_point_that_fails_is_reported_and_retried(board: Board) -> None:
    board.configure(FIVE)
    done = board.start()
    assert done.returncode == os.EX_UNAVAILABLE
    assert board.faults()[0].endswith("nor at 2.4 GHz, channel 6, 20 MHz wide. There is no access point.")
    assert not (board.run / radio.STATE / "pid").exists()
    board.configure(FIVE, WIRED)  # the radio works again
    assert board.start().returncode == 0
    assert board.faults() == []


@pytest.mark.kernel
def test_configuration_that_hangs_is_given_up_after_a_timeout(board: Board) -> None:
    # Without any driver hostapd waits for the country's list of channels.
    board.configure(AP + "channel = 13", "driver=none", WIRED)
    assert board.start(timeout=2.0).returncode == 0
    assert board.state() == "ENABLED"
    assert "does not send at 2.4 GHz, channel 13" in board.faults()[0]


@pytest.mark.kernel
def test_missing_bridge_is_not_created_by_hostapd(board: Board) -> None:
    board.inside("ip", "link", "delete", "br-lan")
    board.configure(AP, WIRED)
    done = board.start()
    assert done.returncode == os.EX_TEMPFAIL  # systemd tries again
    assert "br-lan is not there yet" in done.stderr
    assert board.state() == "None"
    assert board.inside("ip", "link", "show", "br-lan").returncode != 0


def test_report_has_the_faults_of_all_steps(paths: Paths) -> None:
    (paths.data / "setup").mkdir()
    store_config(paths, parse(AP))
    faults.record(paths.run, Source.CONFIGURATION, ["gateway.toml: a"])
    faults.record(paths.run, Source.ACCESS_POINT, ["wifi.access_point: b"])
    faults.record(paths.run, Source.IMPORT, ["home.conf: c"])
    faults.record(paths.run, Source.NETD, ["an adapter: d"])
    net = paths.run / "net"
    (net / radio.RADIO).mkdir(parents=True)
    report_all(paths, net)
    text = (paths.fat / REPORT).read_text()
    assert [line for line in text.splitlines() if ": " in line] == [
        "gateway.toml: a",
        "home.conf: c",
        "wifi.access_point: b",
        "an adapter: d",
    ]
    (net / radio.RADIO).rmdir()
    report_all(paths, net)
    assert "wifi: this board has no radio" in (paths.fat / REPORT).read_text()
    (net / radio.RADIO).mkdir()
    for source in Source:
        faults.record(paths.run, source, [])
    report_all(paths, net)
    assert not (paths.fat / REPORT).exists()


def test_link_in_netds_directory_is_not_followed_by_the_report(paths: Paths) -> None:
    (paths.run / "shadow").write_text("root: hash\n")
    (paths.run / Source.NETD.value).parent.mkdir()
    (paths.run / Source.NETD.value).symlink_to(paths.run / "shadow")
    faults.record(paths.run, Source.CONFIGURATION, ["gateway.toml: a"])
    assert faults.recorded(paths.run) == ["gateway.toml: a"]


def test_unchanged_faults_are_not_written(paths: Paths) -> None:
    """Each write makes the report be checked again."""
    faults.record(paths.run, Source.ACCESS_POINT, ["a"])
    path = paths.run / Source.ACCESS_POINT.value
    before = path.stat()
    faults.record(paths.run, Source.ACCESS_POINT, ["a"])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_card_is_writable_for_one_process_at_a_time(tmp_path: Path) -> None:
    """The first to be done makes it read-only again, which the other would not survive."""
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        with Fat(tmp_path).writable(), pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(handle)
