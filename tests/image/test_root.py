"""The system before its first boot: a root directory of either base, inspected by testinfra through chroot.

VPN_GATEWAY_ROOT names the root; image/qemu/test takes the one in the built image.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

ENABLED = (
    "vpn-gateway-boot-firewall.service",
    "vpn-gateway-capture.service",
    "vpn-gateway-clock.service",
    "vpn-gateway-firstboot.service",
    "vpn-gateway-netd.service",
    "vpn-gateway-settled.service",
    "vpn-gateway-support.service",
    "vpn-gateway-web.service",
    "vpn-gateway-web.socket",
    "systemd-networkd.service",
    "systemd-timesyncd.service",
)
NOT_ENABLED = ("ssh.socket", "hostapd.service", "wpa_supplicant.service", "apt-daily.timer")


@pytest.fixture(scope="module")
def path() -> Path:
    logs = os.environ.get("VPN_GATEWAY_IMAGE_LOGS")
    return Path(os.environ.get("VPN_GATEWAY_ROOT") or f"{logs}/root")


@pytest.fixture(scope="module")
def root(path: Path) -> Iterator[Host]:
    return testinfra.get_host(str(path), connection="chroot")


@pytest.mark.parametrize("unit", ENABLED)
def test_the_unit_starts_at_boot(root: Host, unit: str) -> None:
    assert root.run(f"systemctl is-enabled {unit}").stdout.strip() == "enabled"


@pytest.mark.parametrize("unit", NOT_ENABLED)
def test_the_unit_does_not_start_at_boot(root: Host, unit: str) -> None:
    assert root.run(f"systemctl is-enabled {unit}").stdout.strip() != "enabled"


@pytest.mark.parametrize(
    "unit",
    [
        "dev-mqueue.mount",
        "modprobe@drm.service",
        "modprobe@efi_pstore.service",
        "modprobe@fuse.service",
        "sys-fs-fuse-connections.mount",
        "sys-kernel-config.mount",
        "systemd-journal-flush.service",
        "systemd-network-generator.service",
        "systemd-networkd-persistent-storage.service",
        "systemd-networkd-wait-online.service",
        "systemd-pstore.service",
        "systemd-udev-load-credentials.service",
    ],
)
def test_the_start_is_spared_what_no_gateway_needs(root: Host, unit: str) -> None:
    assert root.run(f"systemctl is-enabled {unit}").stdout.strip() == "masked"


def test_systemd_waits_for_few_generators(root: Host) -> None:
    """Each is a program that all units wait for. A new one of the base is to be looked at."""
    names = root.file("/usr/lib/systemd/system-generators").listdir()
    masked = {n for n in root.file("/etc/systemd/system-generators").listdir() if masks(root, n)}
    assert set(names) - masked == {
        *("systemd-debug-generator", "systemd-fstab-generator", "systemd-getty-generator", "zram-generator"),
    }


def test_rules_about_what_is_left_out_at_the_start_are_known(path: Path) -> None:
    """Devices of these kinds are in no event of the start (systemd-udev-trigger.service.d): no rule must need them."""
    trigger = (path / "usr/lib/systemd/system/systemd-udev-trigger.service.d/vpn-gateway.conf").read_text()
    left_out = "|".join(re.findall(r"--subsystem-nomatch=(\S+)", trigger))
    rules = [line for file in (path / "usr/lib/udev/rules.d").glob("*.rules") for line in file.read_text().splitlines()]
    found = {line for line in rules if re.search(rf'SUBSYSTEM=="({left_out})"', line)}
    # Mounts that are masked, printers, what a screen shows, how often a drive with removable media is looked at.
    known = ("fuse", "configfs", "parport_pc", "vcs*|vcsa*", "block")
    assert {line for line in found if not any(f'KERNEL=="{name}"' in line for name in known)} == set()


def masks(root: Host, generator: str) -> bool:
    return root.file(f"/etc/systemd/system-generators/{generator}").linked_to == "/dev/null"


def test_ssh_waits_for_a_key(root: Host) -> None:
    unit = root.file("/usr/lib/systemd/system/ssh.service.d/vpn-gateway.conf")
    assert "ConditionPathExists=/data/ssh/authorized_keys" in unit.content_string


@pytest.mark.parametrize("name", ["netd", "web", "vpn-capture"])
def test_the_user_has_no_shell_and_no_password(root: Host, name: str) -> None:
    user = root.user(name)
    assert user.exists
    assert user.shell == "/usr/sbin/nologin"
    assert user.password[:1] in {"!", "*"}
    assert user.uid < 1000


def test_no_account_has_a_password(root: Host) -> None:
    shadow = root.file("/etc/shadow")
    assert [line for line in shadow.content_string.splitlines() if line.split(":")[1][:1] not in {"!", "*"}] == []
    assert shadow.mode & 0o007 == 0


def test_the_application_starts_with_its_locked_packages(root: Host) -> None:
    done = root.run(
        "cd /usr/lib/vpn-gateway && PYTHONPATH=/usr/lib/vpn-gateway:/usr/lib/vpn-gateway/site"
        " python3 -sP -m app netd --help && PYTHONPATH=/usr/lib/vpn-gateway:/usr/lib/vpn-gateway/site"
        " python3 -sP -c 'import app.web.app, app.netd.main, app.firstboot.before_network, app.firstboot.after_netd'"
    )
    assert done.rc == 0, done.stderr
    assert "--state-dir" in done.stdout


def test_the_wireguard_module_is_the_kernels(path: Path) -> None:
    (kernel,) = (path / "usr/lib/modules").iterdir()
    assert list(kernel.glob("kernel/drivers/net/wireguard/wireguard.ko*"))
    assert not (path / "usr/bin/wireguard-go").exists()


def test_every_module_that_netd_needs_is_there(path: Path) -> None:
    """modprobe --all ends at the first one that is missing, and netd may load none itself."""
    (kernel,) = (path / "usr/lib/modules").iterdir()
    unit = (path / "usr/lib/systemd/system/vpn-gateway-modules.service").read_text().replace("\\\n", " ")
    (wanted,) = [line.split()[2:] for line in unit.splitlines() if line.startswith("ExecStart=")]
    listed = (kernel / "modules.dep").read_text().splitlines() + (kernel / "modules.builtin").read_text().splitlines()
    known = {Path(line.split(":")[0]).name.partition(".ko")[0].replace("-", "_") for line in listed}
    assert {"veth", "act_mirred", "af_packet"} <= set(wanted)
    assert set(wanted) - known == set()


def test_only_root_can_change_the_system(path: Path) -> None:
    writable = [
        str(entry)
        for entry in path.rglob("*")
        if not entry.is_symlink()
        and entry.stat().st_mode & stat.S_IWOTH
        and not entry.stat().st_mode & stat.S_ISVTX
        and entry.relative_to(path).parts[0] not in {"dev", "proc", "sys"}
    ]
    assert writable == []
    assert {entry.owner() for entry in (path / "usr/lib/vpn-gateway").rglob("*")} == {"root"}


def test_nothing_secret_and_nothing_of_the_build_is_in_it(path: Path) -> None:
    assert list(path.glob("etc/ssh/ssh_host_*")) == []
    assert list(path.glob("etc/apt/sources.list.d/*")) == []
    assert (path / "etc/machine-id").read_text().strip() in {"", "uninitialized"}
    assert list((path / "root").iterdir()) == []
    for directory in ("data", "tmp", "var/log", "var/cache", "run"):
        assert list((path / directory).iterdir()) == [], directory


def test_vendors_of_devices_are_known_and_no_more_than_needed(root: Host, path: Path) -> None:
    assert root.file("/usr/share/ieee-data/oui.txt").contains("(hex)")
    lists = {entry.name for entry in (path / "usr/share/ieee-data").glob("*.txt")}
    assert lists == {"oui.txt"}
    assert (path / "usr/share/doc/ieee-data/copyright").exists()
    assert not root.package("wget").is_installed
