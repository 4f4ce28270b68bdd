"""clean.py ROOT: remove caches, logs, machine identity and build traces from a root.

The remaining bytes depend only on the packages, which makes images reproducible.
"""

from __future__ import annotations

import compileall
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

# Directories to empty.
EMPTIED = (
    "boot/firmware",
    "run",
    "tmp",
    "root",
    "var/backups",
    "var/cache",
    "var/lib/apt",
    "var/lib/initramfs-tools",
    "var/lib/systemd",
    "var/log",
    "var/tmp",
    "data",
)
# Globs to remove.
REMOVED = (
    "etc/.pwd.lock",
    "etc/apt/sources.list",
    # Writes config.txt and cmdline.txt, and knows nothing of two slots: image/assemble writes them.
    "etc/initramfs/post-update.d/z50-raspi-firmware",
    "etc/kernel/*/z50-raspi-firmware",
    "etc/apt/sources.list.d/*",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subuid-",
    "etc/subgid-",
    "etc/ssh/ssh_host_*",
    "etc/ssl/certs/*.dpkg-*",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock*",
    "var/lib/dpkg/triggers/Lock",
    "usr/lib/raspi-firmware/overlays",
)


def main(root: Path) -> None:
    for name in EMPTIED:
        directory = root / name
        if directory.is_dir():
            for entry in directory.iterdir():
                remove(entry)
    for pattern in REMOVED:
        for entry in root.glob(pattern):
            remove(entry)
    # As old as /usr itself, so that no start of a read-only system tries to bring caches up to date
    # (systemd.unit(5), ConditionNeedsUpdate=).
    for name in ("etc/.updated", "var/.updated"):
        (root / name).touch()
    # Recompiled natively: under emulation it takes minutes, and the byte code contains the time of the build.
    for cache in sorted(root.glob("usr/lib/python3*/**/__pycache__")):
        shutil.rmtree(cache)
    for library in sorted(root.glob("usr/lib/python3*")):
        compileall.compile_dir(
            library,
            quiet=2,
            stripdir=str(root),
            prependdir="/",
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )


def remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
