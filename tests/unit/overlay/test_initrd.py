"""The part of the initrd that is ours: which disk it takes, and what the start finds on the data partition."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

OVERLAY = Path(__file__).parents[3] / "overlay"
SCRIPT = (OVERLAY / "etc/initramfs-tools/scripts/local-bottom/vpn-gateway").read_text()


@pytest.mark.parametrize(
    ("mounted", "data", "boot"),
    [
        ("/dev/mmcblk0p2 /root squashfs ro,relatime 0 0", "/dev/mmcblk0p4", "/dev/mmcblk0p1"),
        ("/dev/sda2 /root squashfs ro 0 0", "/dev/sda4", "/dev/sda1"),
        ("/dev/nvme0n1p3 /root squashfs ro 0 0", "/dev/nvme0n1p4", "/dev/nvme0n1p1"),  # slot b
        # By its name, or by something else: as it was before there was a second disk.
        *(
            (f"{device} /root squashfs ro 0 0", *(f"/dev/disk/by-partuuid/56504e47-0{n}" for n in (4, 1)))
            for device in ("/dev/disk/by-partuuid/56504e47-02", "overlay")
        ),
    ],
)
def test_data_and_boot_partition_are_of_the_roots_disk(tmp_path: Path, mounted: str, data: str, boot: str) -> None:
    """All cards have the same disk identifier: by that, a second card's data could come under this one's system."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"proc /proc proc rw 0 0\n{mounted}\ntmpfs /run tmpfs rw 0 0\n")
    lines = re.findall(r"^(?:disk|data)=.*", SCRIPT, re.MULTILINE)
    (fat,) = re.findall(r"^mount -t vfat -o \S+ (\S+) ", SCRIPT, re.MULTILINE)
    script = "\n".join([*lines, f'echo "$data" {fat}']).replace("/proc/mounts", str(mounts))
    run = subprocess.run(["sh", "-euc", script], env={"rootmnt": "/root"}, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [data, boot]


@pytest.mark.kernel
def test_what_the_set_up_needs_is_made_before_it_begins(tmp_path: Path) -> None:
    """It does not wait for systemd-tmpfiles, whose rules name the same directories, owners and modes."""
    wanted: dict[str, tuple[str, str, str]] = {}
    users = dict(
        re.findall(r"^u (\S+) (\d+:\d+) ", (OVERLAY / "usr/lib/sysusers.d/vpn-gateway.conf").read_text(), re.M)
    )
    for line in (OVERLAY / "usr/lib/tmpfiles.d/vpn-gateway.conf").read_text().splitlines():
        _, path, mode, user, *_ = line.split()
        if not path.startswith("/run/"):
            wanted[path.replace("/var/lib/", "/data/")] = (mode, *users.get(user, "0:0").split(":"))  # type: ignore[assignment]
    begin = SCRIPT.index("mkdir -p")
    lines = SCRIPT[begin : SCRIPT.index("# Mount the boot partition")]
    command = f"{lines}\nstat -c '%n %04a %u %g' {' '.join(f'${{rootmnt}}{path}' for path in wanted)}"
    run = subprocess.run(
        ["sh", "-euc", command], env={"rootmnt": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    found = {line.split()[0].removeprefix(str(tmp_path)): tuple(line.split()[1:]) for line in run.stdout.splitlines()}
    assert found == wanted
