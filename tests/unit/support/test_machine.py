"""What the kernel's files tell, on a Pi's files laid out as its kernel has them, and on this machine's own."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from app.support import machine
from app.support.programs import about_network, run
from app.support.redact import Redactor
from app.support.report import MAX_BYTES, MAX_LINE, Section, assemble


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    tree, sys = tmp_path / "proc/device-tree", tmp_path / "sys"
    put(tree / "model", "Raspberry Pi 5 Model B Rev 1.1\0")
    put(tree / "compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0")
    put(tree / "serial-number", "10000000deadbeef\0")
    put(tree / "system/linux,revision", struct.pack(">I", 0xD04171))
    put(tree / "chosen/bootloader/build-timestamp", struct.pack(">I", 1_739_232_000))
    put(tree / "chosen/bootloader/version", "abc123def\0")
    put(tmp_path / "proc/cmdline", "smsc95xx.macaddr=DC:A6:32:01:02:03 root=/dev/ram0\n")
    put(sys / "devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "50005\n")
    put(sys / "class/hwmon/hwmon0/name", "rpi_volt\n")
    put(sys / "class/hwmon/hwmon0/in0_lcrit_alarm", "1\n")
    put(sys / "class/thermal/thermal_zone0/type", "cpu-thermal\n")
    put(sys / "class/thermal/thermal_zone0/temp", "84251\n")
    put(sys / "class/rfkill/rfkill0/type", "wlan\n")
    put(sys / "class/rfkill/rfkill0/soft", "1\n")

    device = sys / "devices/platform/axi/usb1/1-1"
    put(device / "idVendor", "0bda\n")
    put(device / "idProduct", "8153\n")
    put(device / "product", "USB 10/100/1000 LAN\n")
    put(device / "speed", "480\n")
    (device / "1-1:1.0").mkdir()
    (sys / "bus/usb/drivers/r8152").mkdir(parents=True)
    (device / "1-1:1.0/driver").symlink_to(sys / "bus/usb/drivers/r8152")
    link = sys / "class/net/enxdca632010203"
    put(link / "operstate", "up\n")
    put(link / "address", "dc:a6:32:01:02:03\n")
    put(link / "statistics/rx_crc_errors", "7\n")
    (link / "device").symlink_to(device / "1-1:1.0")
    (sys / "class/net/br-lan").mkdir()
    (link / "master").symlink_to(sys / "class/net/br-lan")
    put(sys / "class/net/bonding_masters", "\n")
    status = "Package: nftables\nStatus: install ok installed\nVersion: 1.1.3-1\n\n"
    put(tmp_path / "var/lib/dpkg/status", status + "Package: systemd\nStatus: deinstall ok config-files\nVersion: 1\n")
    return tmp_path


def test_a_pi_says_which_it_is_and_not_which_one(pi: Path) -> None:
    text = machine.board(pi)
    assert "model: Raspberry Pi 5 Model B Rev 1.1\nrevision: d04171\n" in text
    assert "compatible: raspberrypi,5-model-b brcm,bcm2712" in text
    assert "firmware built: 2025-02-11\n" in text
    assert "firmware updated: not known" in text
    assert "deadbeef" not in text


def test_throttling_and_heat_in_words(pi: Path) -> None:
    text = machine.heat(pi)
    assert "throttled: 0x50005 (under-voltage, throttled, under-voltage has been, has been throttled)" in text
    assert "rpi_volt in0_lcrit_alarm: 1" in text
    assert "cpu-thermal: 84.3 degrees Celsius" in text
    assert machine.throttled("0x0") == "0x0 (never)"
    assert "could not be read" in machine.heat(pi / "nowhere")


def test_a_port_has_its_driver_its_place_and_its_errors(pi: Path) -> None:
    text = machine.links(pi)
    assert "br-lan\n  driver: none (virtual)" in text
    port = text[text.index("enxdca632010203") :]
    for line in (
        "driver: r8152",
        "bus: platform/axi/usb1/1-1/1-1:1.0",
        "USB: 0bda:8153 None USB 10/100/1000 LAN, 480 Mbit/s",
        "port of: br-lan",
        "rx_crc_errors 7",
    ):
        assert line in port
    assert "rfkill0: type wlan, name None, soft 1" in text


def test_only_installed_packages_are_reported(pi: Path) -> None:
    text = machine.versions(pi)
    assert "nftables 1.1.3-1" in text
    assert "systemd" not in text


def test_what_is_missing_costs_its_own_section_only(tmp_path: Path) -> None:
    found = {section.title: section.text for section in machine.sections(tmp_path)}
    assert list(found) == [title for title, _ in machine.SOURCES]
    assert found["Network ports"] == "(could not be read: No such file or directory)"
    assert "VPN Gateway" in found["Versions"]


def test_the_whole_of_a_pi_without_its_owner(pi: Path) -> None:
    report = assemble(machine.sections(pi), Redactor())
    for hidden in ("01:02:03", "010203", "deadbeef"):
        assert hidden not in report


def test_this_machine_tells_something_of_everything() -> None:
    for section in machine.sections():
        assert not section.text.startswith("(could not be read: ") or section.title == "Voltage, heat, clock"


# --- size ------------------------------------------------------------------------------------------------------------


def test_file_stays_within_its_limit_and_names_what_is_left_out() -> None:
    """The file is never larger than its limit, and names what it left out."""
    long = "\n".join(f"{n} \N{EURO SIGN}{'x' * 90}" for n in range(6_000))
    report = assemble([Section(f"Part {n}", long, limit=300_000) for n in range(8)], Redactor())
    assert len(report.encode()) <= MAX_BYTES
    assert "more lines were left out)" in report
    assert "(left out: the file would become too large)" in report
    assert "Part 7\n======\n" in report
    first = assemble([Section("A", long, limit=1000)], Redactor())
    last = assemble([Section("A", long, limit=1000, keep="last")], Redactor())
    assert "\n0 \N{EURO SIGN}x" in first
    assert "\n5999 \N{EURO SIGN}x" not in first
    assert "\n5999 \N{EURO SIGN}x" in last


def test_controls_are_removed_and_lines_cut_after_redaction() -> None:
    """Control characters are removed, and long lines are cut only after their redaction."""
    secret = "correct horse"
    text = f"\x1b[2Ja\u202eb\n{'y' * (MAX_LINE - 6)}{secret}"
    report = assemble([Section("A", text)], Redactor([secret]))
    assert not {"\x1b", "\u202e"} & set(report)
    assert "corre" not in report
    assert f"{'y' * (MAX_LINE - 6)}***" in report


# --- programs --------------------------------------------------------------------------------------------------------


async def test_a_program_that_fails_or_is_not_there_says_so() -> None:
    assert await run("ls", "/does/not/exist") == (
        "ls: cannot access '/does/not/exist': No such file or directory\n(could not be read: ls ended with 2)"
    )
    assert await run("/does/not/exist") == "(could not be read: /does/not/exist: No such file or directory)"
    assert await run("true") == "(nothing)"


async def test_a_program_that_hangs_or_never_stops_talking_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.support.programs.TIMEOUT", 0.3)
    assert await run("sleep", "60") == "(could not be read: sleep did not finish)"
    monkeypatch.setattr("app.support.programs.TIMEOUT", 30)
    monkeypatch.setattr("app.support.programs.MAX_OUTPUT", 100_000)
    assert len(await run("dd", "if=/dev/zero", "status=none")) == 100_000


def test_of_the_kernels_log_what_the_network_rests_on() -> None:
    kept = (
        "[    5.1] kernel: r8152 2-1:1.0 eth1: v1.12.13",
        "[    5.2] kernel: lan78xx 1-1.1.1:1.0 (unnamed net_device) (uninitialized): int urb period 64",
        "[    6.0] kernel: brcmfmac: brcmf_fw_alloc_request: using brcm/brcmfmac43455-sdio for chip BCM4345/6",
        "[    7.0] kernel: br-lan: port 1(lan0) entered blocking state",
        "[    8.0] kernel: hwmon hwmon1: Undervoltage detected!",
        "[    9.0] kernel: Out of memory: Killed process 311 (python3)",
    )
    passed_over = "[    1.0] kernel: Console: colour dummy device 80x25"
    assert about_network("\n".join((passed_over, *kept))) == "\n".join(kept)
    assert about_network("(could not be read: journalctl: x)") == "(could not be read: journalctl: x)"
