"""The check of a card after a power cut finds a lost server, a damaged file system and a wrong partition."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from app import keys
from app.model import Peer, ServerSecrets, StoredServer
from app.store import Store
from image.qemu.card import DATA_PARTITION, ENTRIES, ENTRY, Card, CardError
from image.qemu.machine import MIB, SECTOR

START, SIZE = 4 * MIB, 32 * MIB  # bytes


def made(tmp_path: Path, *, size: int = SIZE, damage: bytes = b"") -> Card:
    """A card whose data partition has a store with the server ``home``, or another size, or a damaged beginning."""
    root = tmp_path / "root"
    with Store(root / "vpn-gateway") as store:
        server = StoredServer(name="home", provider="imported", peers=(Peer(public_key=keys.generate().public_key),))
        store.add_server(server, ServerSecrets(keys.generate().private_key))
    data = tmp_path / "data"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, data, f"{SIZE // 1024}k"], check=True)
    content = bytearray(data.read_bytes())
    content[: len(damage)] = damage
    raw = bytearray(START) + content
    entry = struct.pack("<B3xB3xII", 0, 0x83, START // SECTOR, size // SECTOR)
    raw[ENTRIES + (DATA_PARTITION - 1) * ENTRY : ENTRIES + DATA_PARTITION * ENTRY] = entry
    (tmp_path / "raw").write_bytes(raw)
    disk = tmp_path / "card.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", tmp_path / "raw", disk], check=True)
    return Card(disk, tmp_path / "looked-at")


def test_what_is_in_the_store_is_read(tmp_path: Path) -> None:
    assert made(tmp_path).servers() == {"home"}


def test_an_unrepairable_file_system_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="beyond a simple repair"):
        made(tmp_path, damage=bytes(range(256)) * 64).servers()


def test_a_partition_smaller_than_its_file_system_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="beyond a simple repair"):
        made(tmp_path, size=SIZE // 2).servers()
