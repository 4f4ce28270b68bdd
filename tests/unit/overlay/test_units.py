"""The units as systemd reads them: how tight their sandboxes are, what may run as whom, and what waits for what."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OVERLAY = Path(__file__).parents[3] / "overlay"
UNITS = OVERLAY / "usr/lib/systemd/system"


def settings(unit: str) -> dict[str, list[str]]:
    """``Key`` -> its values in order, over all sections."""
    found: dict[str, list[str]] = {}
    text = (UNITS / unit).read_text().replace("\\\n", "")
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def exposure(unit: Path) -> float:
    run = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", run.stdout)
    assert said, run.stdout
    return float(said[1])


@pytest.mark.parametrize(
    ("unit", "limit"),
    [
        ("vpn-gateway-netd", 2.0),
        ("vpn-gateway-web", 1.5),
        ("vpn-gateway-capture", 1.5),
        ("vpn-gateway-dnsmasq@lan", 2.7),
        ("vpn-gateway-dnsmasq@", 1.6),
        ("vpn-gateway-ap", 3.0),
        ("vpn-gateway-wifi-wan", 3.0),
    ],
)
def test_the_sandbox_is_tight(unit: str, limit: float) -> None:
    assert exposure(UNITS / f"{unit}.service") <= limit


def test_an_open_unit_would_be_noticed(tmp_path: Path) -> None:
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert exposure(bare) > 9


def test_netd_has_two_capabilities_and_web_has_none() -> None:
    netd, web = settings("vpn-gateway-netd.service"), settings("vpn-gateway-web.service")
    assert netd["AmbientCapabilities"] == netd["CapabilityBoundingSet"] == ["CAP_NET_ADMIN CAP_NET_BIND_SERVICE"]
    assert web["AmbientCapabilities"] == web["CapabilityBoundingSet"] == [""]
    assert netd["User"] == ["netd"]
    assert web["User"] == ["web"]


def test_capture_may_open_packet_sockets_and_nothing_else() -> None:
    """What is read there was sent by anybody: the process has no socket of IP, no file of the gateway, no new right."""
    found = settings("vpn-gateway-capture.service")
    assert found["AmbientCapabilities"] == found["CapabilityBoundingSet"] == ["CAP_NET_RAW"]
    assert found["RestrictAddressFamilies"] == ["AF_UNIX AF_PACKET"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert {"/data", "-/var/lib/vpn-gateway"} <= set(found["InaccessiblePaths"][0].split())
    users = (OVERLAY / "usr/lib/sysusers.d/vpn-gateway.conf").read_text()
    assert found["User"] == re.findall(r"^u (vpn-capture) 975:970 ", users, re.MULTILINE)


def test_capture_listens_where_netd_asks_and_for_netd() -> None:
    capture, netd = settings("vpn-gateway-capture.service"), settings("vpn-gateway-netd.service")
    (socket,) = re.findall(r"--capture (\S+)", netd["ExecStart"][0])
    assert re.findall(r"--socket (\S+) --user (\S+)", capture["ExecStart"][0]) == [(socket, netd["User"][0])]
    assert socket.startswith(f"/run/{capture['RuntimeDirectory'][0]}/")
    assert (capture["Group"], capture["RuntimeDirectoryMode"]) == (netd["Group"], ["0750"])


LAN_DNSMASQ, FORWARDER = "vpn-gateway-dnsmasq@lan.service", "vpn-gateway-dnsmasq@.service"


def test_what_reads_answers_of_the_internet_has_no_capability() -> None:
    """An exploited forwarder with CAP_NET_ADMIN could switch off firewall and routes at once."""
    lan, forwarder = settings(LAN_DNSMASQ), settings(FORWARDER)
    assert forwarder["AmbientCapabilities"] == forwarder["CapabilityBoundingSet"] == [""]
    assert lan["User"] == ["dnsmasq"]
    assert forwarder["User"] == ["vpn-dns"]
    users = (OVERLAY / "usr/lib/sysusers.d/vpn-gateway.conf").read_text()
    assert {"dnsmasq", "vpn-dns"} <= set(re.findall(r"^u (\S+)", users, re.MULTILINE))
    assert "/var/lib/vpn-gateway" in forwarder["InaccessiblePaths"][0].split()  # keys and leases
    assert "BindPaths" not in forwarder


@pytest.mark.parametrize("unit", [LAN_DNSMASQ, FORWARDER])
def test_dnsmasq_sends_no_frame_past_the_firewall(unit: str) -> None:
    """Packet sockets pass no chain of nftables."""
    found = settings(unit)
    assert "AF_PACKET" not in found["RestrictAddressFamilies"][0].split()
    assert found["NoNewPrivileges"] == ["yes"]
    capabilities = {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"}
    assert set(found["CapabilityBoundingSet"][0].split()) <= capabilities


def test_the_lans_instance_is_the_one_that_netd_writes() -> None:
    """systemd prefers the file of an instance to the template; both are started with the file netd writes."""
    from app.model import LanSettings, Settings
    from app.network.dhcp_dns import Paths, render

    paths = Paths(leases="/var/lib/vpn-gateway/dnsmasq.leases", hosts="/run/vpn-gateway/dnsmasq/hosts")
    texts = render(Settings(), LanSettings(), "br-lan", ipv6_default=False, direct=True, paths=paths)
    assert "lan" in texts
    assert not [name for name in texts if name != "lan" and (UNITS / f"vpn-gateway-dnsmasq@{name}.service").exists()]
    ports = {name: re.findall(r"^port=(\d+)$", text, re.MULTILINE) for name, text in texts.items()}
    assert all(int(port) >= 1024 for name, (port,) in ports.items() if name != "lan")
    assert settings(LAN_DNSMASQ)["ExecStart"] == settings(FORWARDER)["ExecStart"]
    directories = settings("vpn-gateway-netd.service")["RuntimeDirectory"][0].split()
    assert paths.hosts.removeprefix("/run/") in directories  # netd's umask would close it to dnsmasq


def test_a_slow_card_may_finish_at_a_shutdown() -> None:
    """The Pi's watchdog counts to 15 seconds; where a longer time is asked for, the kernel starts it anew meanwhile."""
    text = (OVERLAY / "etc/systemd/system.conf.d/vpn-gateway.conf").read_text()
    wanted = dict(line.split("=") for line in text.splitlines() if "=" in line)
    times = [wanted["RuntimeWatchdogSec"], wanted["RebootWatchdogSec"]]
    told = subprocess.run(["systemd-analyze", "timespan", *times], capture_output=True, text=True, check=True).stdout
    running, shutdown = (int(found) / 1e6 for found in re.findall(r"μs: (\d+)", told))
    assert running < 15
    assert shutdown >= 60


def test_netd_may_read_the_journal_and_web_may_not() -> None:
    """The support file tells what the kernel said; netd's own kernel log stays closed to it."""
    netd, web = settings("vpn-gateway-netd.service"), settings("vpn-gateway-web.service")
    assert netd["SupplementaryGroups"] == ["systemd-journal"]
    assert netd["ProtectKernelLogs"] == ["yes"]
    assert "SupplementaryGroups" not in web


def test_a_support_file_is_made_whatever_else_does_not_start() -> None:
    unit = settings("vpn-gateway-support.service")
    assert not {"Requires", "BindsTo", "Requisite", "Wants"} & set(unit)
    assert "vpn-gateway-netd.service" in " ".join(unit["After"])


def test_a_clock_that_was_set_is_noted_at_once() -> None:
    """A power cut in the minute after would start with the old time, which servers refuse."""
    assert settings("vpn-gateway-clock-save.timer")["OnClockChange"] == ["yes"]


def test_web_is_handed_both_ports_and_has_no_network_of_its_own() -> None:
    assert settings("vpn-gateway-web.socket")["ListenStream"] == ["5000", "80"]
    assert settings("vpn-gateway-web.service")["PrivateNetwork"] == ["yes"]
    netd = " ".join(settings("vpn-gateway-netd.service")["ExecStart"])
    assert re.findall(r"--http-port (\d+)", netd) == ["5000", "80", "22"]  # nothing listens on 22 without a key


@pytest.mark.parametrize("unit", ["vpn-gateway-netd.service", "vpn-gateway-web.service"])
def test_a_hung_daemon_is_restarted_for_ever_and_leaves_no_dump(unit: str) -> None:
    found = settings(unit)
    assert found["Type"] == ["notify"]  # what WatchdogSec counts are the signs of life of app.sd_notify
    assert found["WatchdogSec"] == ["30s"]
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["LimitCORE"] == ["0"]


def test_there_is_room_for_opening_a_backup() -> None:
    from app.store.age import MAX_WORK_FACTOR

    needed = 2 ** (MAX_WORK_FACTOR + 10) / 2**20  # MiB, for scrypt alone
    (limit,) = settings("vpn-gateway-netd.service")["MemoryMax"]
    assert int(limit.removesuffix("M")) >= needed + 128


def test_no_port_comes_up_without_the_ruleset() -> None:
    firewall = settings("vpn-gateway-boot-firewall.service")
    assert "network-pre.target" in " ".join(firewall["Before"])
    ports = ("vpn-gateway-ap.service", "vpn-gateway-wifi-wan.service", "vpn-gateway-pppoe.service")
    networkd = "systemd-networkd.service.d/vpn-gateway.conf"
    for unit in (networkd, "vpn-gateway-netd.service", "vpn-gateway-web.socket", *ports):
        assert "vpn-gateway-boot-firewall.service" in " ".join(settings(unit)["Requires"])
        assert "vpn-gateway-boot-firewall.service" in " ".join(settings(unit)["After"])


def test_every_program_that_a_unit_starts_of_ours_is_there_and_executable() -> None:
    for unit in UNITS.glob("vpn-gateway*.service"):
        for value in settings(unit.name).get("ExecStart", []):
            program = value.lstrip("-+!:").split()[0]
            if program.startswith("/usr/lib/vpn-gateway/"):
                file = OVERLAY / program.lstrip("/")
                assert file.stat().st_mode & 0o111, program


def test_hostapd_finds_the_bridge_made_by_networkd() -> None:
    """One that it had to make itself would go with it, and the LAN's wired ports with that."""
    found = settings("vpn-gateway-ap.service")
    bridge = r"sys-subsystem-net-devices-br\x2dlan.device"
    assert {"systemd-networkd.service", bridge} <= set(" ".join(found["After"]).split())
    assert bridge in " ".join(found["Wants"]).split()
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]


def test_there_is_time_for_every_configuration_of_the_access_point() -> None:
    from app.firstboot.access_point import STOP_TIMEOUT, TIMEOUT
    from app.firstboot.radio import plans
    from app.firstboot.schema import AccessPoint

    longest = max(len(plans(AccessPoint(band=band))) for band in ("2.4GHz", "5GHz"))
    (limit,) = settings("vpn-gateway-ap.service")["TimeoutStartSec"]
    assert int(limit.removesuffix("s")) > longest * (TIMEOUT + STOP_TIMEOUT)


SETTLED = "vpn-gateway-settled.service"


@pytest.mark.parametrize("name", ["netd", "web"])
def test_what_is_loaded_beside_the_set_up_begins_when_it_is_over(name: str) -> None:
    """Before, the settings and the admin password may be those of the last start."""
    from importlib import import_module

    unit, settled = settings(f"vpn-gateway-{name}.service"), settings(SETTLED)
    words = unit["ExecStart"][0].split(f" app {name} ")[1].split()
    main = import_module(f"app.{name}.main")
    options = main.arguments(words) if name == "netd" else main.parser().parse_args(words)
    assert settled["ExecStart"] == [f"/usr/bin/touch {options.after}"]
    assert SETTLED in " ".join(unit["Wants"]).split()
    before = set(" ".join(settled["After"]).split())
    steps = {f"vpn-gateway-{step}.service" for step in ("boot-firewall", "clock", "firstboot", "modules")}
    assert steps | {"systemd-networkd.service"} <= before
    assert not {"Requires", "BindsTo", "Requisite", "Wants"} & set(settled)  # what fails holds up nothing
    waits = {*" ".join(unit["After"]).split(), *" ".join(unit.get("Requires", [])).split()}
    assert not waits & (before - {"vpn-gateway-boot-firewall.service"})


def test_no_other_module_delays_those_of_the_boot_ruleset() -> None:
    """Two programs that load modules wait for each other: beside the long list these two took 19 s, emulated."""
    wanted = (OVERLAY / "etc/modules-load.d/vpn-gateway.conf").read_text()
    assert {"nf_conntrack", "nf_tables"} <= set(wanted.split())
    assert "systemd-modules-load.service" in " ".join(settings("vpn-gateway-modules.service")["After"]).split()


LATE = {"local-fs.target", "systemd-tmpfiles-setup.service", "sysinit.target", "basic.target", "time-set.target"}


@pytest.mark.parametrize("name", ["boot-firewall", "clock", "modules", "firstboot", "settled", "netd", "web"])
def test_the_gateways_own_start_waits_for_no_target_of_the_base(name: str) -> None:
    """The initrd makes mounts and directories. Those targets wait for /dev, on a slow board half of the whole start."""
    unit = settings(f"vpn-gateway-{name}.service")
    assert unit["DefaultDependencies"] == ["no"]
    waits = {*" ".join(unit.get("After", [])).split(), *" ".join(unit.get("Requires", [])).split()}
    assert not waits & LATE
    # To make one takes the kernel longer than most of these programs run; netd, of course, works in the machine's own.
    assert ("PrivateNetwork" in unit) == (name == "web")
    # By itself it orders a unit after systemd-tmpfiles-setup.service (systemd.exec(5)).
    assert ("PrivateTmp" in unit) == (name in {"netd", "web"})


@pytest.mark.parametrize(
    "unit",
    [
        *(f"vpn-gateway-{name}.service" for name in ("boot-firewall", "firstboot", "settled")),
        "systemd-networkd.service.d/vpn-gateway.conf",
    ],
)
def test_what_netd_and_web_wait_for_goes_before_their_loading(unit: str) -> None:
    """They are loaded beside it and take all the time of the processors that it leaves."""
    assert settings(unit)["Nice"] == ["-10"]
    assert "Nice" not in settings("vpn-gateway-netd.service")
    assert "Nice" not in settings("vpn-gateway-web.service")


def test_a_set_up_that_takes_its_time_is_waited_for() -> None:
    """netd and web go on without it only after it was given up, also where the machine is emulated."""
    import base64

    from app.settled import EXTENSION_INTERVAL, TIMEOUT
    from image.qemu.machine import PATIENT

    (limit,) = settings("vpn-gateway-firstboot.service")["TimeoutStartSec"]
    emulated = base64.b64decode(PATIENT).decode().split("TimeoutStartSec=")[1]
    assert max(int(limit.removesuffix("s")), int(emulated)) + 30 < TIMEOUT
    for unit in ("vpn-gateway-netd.service", "vpn-gateway-web.service"):  # until the wait extends it
        assert int(settings(unit)["TimeoutStartSec"][0].removesuffix("s")) > 2 * EXTENSION_INTERVAL


@pytest.mark.parametrize("name", ["dnsmasq", "ntp", "wan"])
def test_what_follows_netds_files_waits_for_the_first_of_them(name: str, tmp_path: Path) -> None:
    """systemd makes the directory before netd is loaded; what is being written counts, lest its renaming be missed."""
    from app import atomic

    globs = [g.removeprefix("|") for g in settings(f"vpn-gateway-{name}.service")["ConditionPathExistsGlob"]]
    (watched,) = settings(f"vpn-gateway-{name}.path")["PathChanged"]
    patterns = [g.removeprefix(f"{watched}/") for g in globs if g.startswith(f"{watched}/")]

    def met() -> list[str]:
        return [found for pattern in patterns for found in glob.glob(pattern, root_dir=tmp_path)]

    def replace(new: Path, target: Path) -> None:
        assert met() == [new.name]
        os.rename(new, target)

    assert met() == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        atomic.write_atomic(tmp_path / "file", b"")
    assert met() == ["file"]


@pytest.mark.parametrize("name", sorted(path.stem for path in UNITS.glob("*.path")))
def test_what_was_written_before_the_watch_began_is_read(name: str) -> None:
    """PathChanged= tells of changes after its own start (systemd.path(5)): the service runs at the start, behind it."""
    assert "PathChanged" in settings(f"{name}.path")
    assert settings(f"{name}.service")["WantedBy"] == settings(f"{name}.path")["WantedBy"] == ["multi-user.target"]


def test_every_unit_that_is_to_be_enabled_is_known_to_the_playbook() -> None:
    known = set((OVERLAY.parent / "ansible/playbook.yml").read_text().split())
    wanted = {
        unit.name
        for unit in UNITS.glob("vpn-gateway*.*")
        if re.search(r"^(Wanted|Required)By=", unit.read_text(), re.M)
    }
    assert wanted
    assert wanted <= known, wanted - known


@pytest.mark.parametrize("unit", ["vpn-gateway-dnsmasq.path", "vpn-gateway-dnsmasq.service", LAN_DNSMASQ, FORWARDER])
def test_a_lease_waits_for_nothing_that_the_lan_does_not_need(unit: str) -> None:
    """Units with default dependencies wait for sysinit.target, and with that for resolved, however long it takes."""
    found = settings(unit)
    assert found["DefaultDependencies"] == ["no"]
    assert found["Conflicts"] == found["Before"] == ["shutdown.target"]  # it still ends at a shutdown
    assert set(" ".join(found.get("After", [])).split()) <= {"local-fs.target", "vpn-gateway-boot-firewall.service"}


def test_the_network_ports_are_looked_for_first() -> None:
    """Their drivers hang on these buses; behind all other devices they came up long after the rest was ready."""
    empty, command = settings("systemd-udev-trigger.service.d/vpn-gateway.conf")["ExecStart"]
    assert empty == ""
    order = re.findall(r"--prioritized-subsystem=(\S+)", command)[0].split(",")
    assert set(order[: order.index("net")]) == {"virtio", "usb", "sdio", "platform", "pci"}
    assert set(order) >= {"block", "tpmrm", "net", "tty", "input"}  # systemd's own, but for the modules


def test_no_device_that_the_gateway_needs_is_left_out_at_the_start() -> None:
    """Disks, ports and radios with their buses; cpu, whose events load the drivers of the processor's ciphers."""
    (_, command) = settings("systemd-udev-trigger.service.d/vpn-gateway.conf")["ExecStart"]
    left_out = set(re.findall(r"--subsystem-nomatch=(\S+)", command))
    assert left_out >= {"module", "drivers", "subsystem"}  # the many
    needed = {"amba", "block", "cpu", "ieee80211", "input", "mdio_bus", "misc", "mmc", "mmc_host", "net", "nvme", "pci"}
    needed |= {"platform", "rfkill", "scsi", "sdio", "tty", "usb", "virtio", "watchdog"}
    assert not left_out & needed
    # Rules of ours that name one of them would wait in vain.
    rules = "".join(file.read_text() for file in (OVERLAY / "usr/lib/udev/rules.d").iterdir())
    assert not left_out & set(re.findall(r'SUBSYSTEM=="([^"]+)"', rules))


def test_what_the_radio_refused_and_netd_found_gets_into_the_report() -> None:
    from app.firstboot import radio
    from app.firstboot.faults import Source
    from app.netd.adapters import RECORD

    netd = f"/run/{Source.NETD.value}"
    assert f"{settings('vpn-gateway-netd.service')['RuntimeDirectory'][0].split()[0]}/{RECORD}" == str(
        Source.NETD.value
    )
    assert settings("vpn-gateway-report.path")["PathChanged"] == [f"/run/{Source.ACCESS_POINT.value}", netd]
    point = settings("vpn-gateway-ap.service")
    assert point["RuntimeDirectory"] == [str(radio.STATE)]
    assert point["RuntimeDirectoryPreserve"] == ["yes"]
    assert point["PIDFile"] == [f"/run/{radio.STATE}/pid"]
    assert point["ConditionPathExists"] == [f"/run/{radio.ACCESS_POINT}"]
    assert settings("vpn-gateway-report.service")["ConditionPathExists"] == [
        f"|/run/{radio.ACCESS_POINT}",
        f"|/run/{radio.WIFI_WAN}",
        f"|{netd}",
    ]


def test_a_chosen_wan_gets_from_netd_to_networkd(tmp_path: Path) -> None:
    """Each of the three is told where the other one has its file."""
    from app.firstboot import chosen_wan
    from app.firstboot.paths import Paths
    from app.model import LinkSettings
    from app.netd.main import arguments
    from app.netd.wan_port import WanPort

    netd = settings("vpn-gateway-netd.service")
    words = netd["ExecStart"][0].split(" app netd ")[1].split()
    options = arguments(words)
    assert options.wan_card == Paths().wan_card
    (watched,) = settings("vpn-gateway-wan.path")["PathChanged"]
    assert options.run_dir / "wan" == Path(watched)
    assert watched.removeprefix("/run/") in netd["RuntimeDirectory"][0].split()
    WanPort(tmp_path / "none", tmp_path / watched.removeprefix("/run/") / "port").write_choice(
        LinkSettings(wan="usb-1.2")
    )
    assert chosen_wan.chosen_port(Paths(run=tmp_path)) == "usb-1.2"
    unit = settings("vpn-gateway-wan.service")
    assert unit["ReadWritePaths"] == ["/run/systemd/network"]
    assert unit["CapabilityBoundingSet"] == ["CAP_DAC_READ_SEARCH"]
    assert unit["PrivateNetwork"] == ["yes"]
    assert chosen_wan.RELOAD[0] != "networkctl"  # it refuses to run there


def test_a_radio_that_is_the_wan_does_not_nap() -> None:
    assert "-/usr/sbin/iw dev radio0 set power_save off" in settings("vpn-gateway-wifi-wan.service")["ExecStartPost"]


def misread(units: Path) -> list[str]:
    """What systemd says of lines that it does not understand (``systemd-analyze verify``)."""
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(u) for u in sorted(units.glob("vpn-gateway*.*[a-z]")))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    newer = ("'RestartSteps'", "'RestartMaxDelaySec'")  # than Debian 12's systemd; Debian 13 has them
    ours = [line for line in run.stderr.splitlines() if line.startswith(str(units)) and "vpn-gateway" in line]
    return [line for line in ours if not any(key in line for key in newer)]


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    assert misread(UNITS) == []
    copy = tmp_path / "units"
    shutil.copytree(UNITS, copy)
    unit = copy / "vpn-gateway-web.service"
    unit.write_text(unit.read_text().replace("PrivateIPC=yes", "PrivatIPC=yes"))
    assert "PrivatIPC" in "".join(misread(copy))


def test_the_web_starts_without_what_only_graphql_needs() -> None:
    """Some 20 MB of the gateway's memory, for an interface that few use."""
    found = loaded("app.web.main")
    assert "quart" in found
    assert not {"strawberry", "graphql", "pyroute2", "sqlite3"} & found


@pytest.mark.parametrize("module", ["app.firstboot.before_network", "app.auth.command"])
def test_what_the_start_waits_for_loads_no_web_server(module: str) -> None:
    """Firstboot runs the command to set the admin password; when that loaded Quart, a slow board gave up on it."""
    found = loaded(module)
    assert "msgspec" in found
    assert not {"quart", "flask", "hypercorn", "jinja2", "werkzeug", "limits", "strawberry"} & found


def test_the_step_before_the_network_loads_little_of_the_application() -> None:
    """Every module that it loads is a part of every start, and a reason more for the start to fail."""
    found = loaded("app.__main__", "app.firstboot.main", "app.firstboot.before_network")
    ours = {name.removeprefix("app.") for name in found if name.startswith("app.")}
    assert {name for name in ours if not name.startswith("firstboot")} <= {
        *("__main__", "addresses", "atomic", "auth", "auth.password_rules", "encoding", "errors", "filenames"),
        *("hostnames", "lan", "loading", "mac_address", "model", "overlaps", "portname", "wan_card"),
    }
    assert not {"asyncio", "sqlite3", "argon2", "cryptography", "click", "pyroute2"} & found


def test_every_step_of_firstboot_has_a_unit_that_finds_the_application() -> None:
    from app.firstboot.main import ACTIONS

    started: list[str] = []
    for unit in UNITS.glob("vpn-gateway*.service"):
        found = settings(unit.name)
        for words in found.get("ExecStart", []):
            program, module, action = words.partition(" -m app firstboot ")
            if module:
                started.append(action)
                assert program == "/usr/bin/python3 -sP"
                assert "PYTHONPATH=/usr/lib/vpn-gateway:/usr/lib/vpn-gateway/site" in found["Environment"][0].split()
    assert sorted(started) == sorted(ACTIONS)


def loaded(*modules: str) -> set[str]:
    """Import ``modules`` in a Python of its own; returns the names of all modules that this loads."""
    script = f"import sys, {', '.join(modules)}; print(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(OVERLAY.parent)},
    )
    return set(run.stdout.split())
