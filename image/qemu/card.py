"""Offline inspection of a card: checked and read as the next boot would."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from app.store import Store
from image.qemu.machine import BOOT_OFFSET, BOOT_SIZE, SECTOR, cut_out, fat_file

DATA_PARTITION = 4  # its number; see image/assemble
ENTRIES, ENTRY = 446, 16  # bytes: where the partition table begins, and the size of a line in it
UNREPAIRED = 4  # e2fsck(8): from this status on the file system has errors left, or could not be checked


class CardError(Exception):
    """The card is damaged; the message says how."""


@dataclass(frozen=True)
class Card:
    """A qcow2 file that is no longer written to, and a directory for extracted files."""

    disk: Path
    work: Path

    def boot_file(self, name: str) -> str | None:
        """A file of the FAT partition; None where there is none."""
        return fat_file(self._window("boot.vfat", BOOT_OFFSET, BOOT_SIZE), name)

    def servers(self) -> set[str]:
        """The servers in the store, after the check of the data partition that the initrd makes. Raises CardError."""
        data = self._window("data.ext4", *self._data_partition())
        check = subprocess.run(["e2fsck", "-p", data], capture_output=True, text=True, check=False)
        if check.returncode >= UNREPAIRED:
            raise CardError(f"the data partition is beyond a simple repair: {check.stdout}{check.stderr}")
        copy = self.work / "state"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        command = ["debugfs", "-R", f"rdump /vpn-gateway {copy}", data]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CardError(f"the data partition cannot be read: {done.stderr.strip()}")
        state = copy / "vpn-gateway"
        if not state.exists():  # the first start has not come so far
            return set()
        with Store(state) as store:
            return {server.name for server in store.servers()}

    def _data_partition(self) -> tuple[int, int]:
        """Offset and size in bytes, by the partition table on the card: a start may have been about to grow it."""
        table = self._window("table", 0, SECTOR).read_bytes()
        start, length = struct.unpack_from("<II", table, ENTRIES + (DATA_PARTITION - 1) * ENTRY + 8)
        return start * SECTOR, length * SECTOR

    def _window(self, name: str, offset: int, size: int) -> Path:
        """A part of the card as a separate file."""
        self.work.mkdir(parents=True, exist_ok=True)
        target = self.work / name
        cut_out(self.disk, offset, size, target)
        return target
