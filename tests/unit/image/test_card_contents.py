"""A boot partition on which a model would not find something is told, whatever the model."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from image.boards.card import LARGEST_KERNEL, faults, settings
from image.boards.models import MODELS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    """A boot partition with the repository's own config.txt, and everything that it names."""
    (tmp_path / "config.txt").write_text((ROOT / "image/boot/config.txt").read_text())
    slot = tmp_path / "slot-a"
    (slot / "overlays").mkdir(parents=True)
    (slot / "vmlinuz").write_bytes(gzip.compress(b"kernel"))
    trees = {f"{name}.dtb" for model in MODELS for name in (model.tree, model.other_name)}
    overlays = [f"overlays/{name}" for name in ("README", "bcm2712d0.dtbo", "rpi-poe.dtbo", "rpi-poe-plus.dtbo")]
    for name in ("initrd.img", "cmdline.txt", *overlays, *trees):
        (slot / name).write_text("content")
    for name in {name for model in MODELS for name in model.firmware}:
        (tmp_path / name).write_text("content")
    return tmp_path


def test_a_whole_one_has_no_fault(boot: Path) -> None:
    assert faults(boot) == []


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("start4.elf", ["Pi CM4: start4.elf is missing"]),
        ("bootcode.bin", [f"Pi {name}: bootcode.bin is missing" for name in ("3 B", "3 B+", "Zero 2 W")]),
        ("slot-a/bcm2712-rpi-5-b.dtb", ["Pi 5: bcm2712-rpi-5-b.dtb is missing"]),
        ("slot-a/bcm2711-rpi-cm4.dtb", ["Pi CM4: bcm2711-rpi-cm4.dtb is missing"]),
        ("slot-a/overlays/README", ["overlays/README: missing"]),
        ("slot-a/overlays/bcm2712d0.dtbo", ["overlays/bcm2712d0.dtbo: missing"]),
        ("slot-a/overlays/rpi-poe.dtbo", ["overlays/rpi-poe.dtbo: missing"]),
        ("slot-a/initrd.img", ["initrd.img: missing"]),
        ("slot-a/cmdline.txt", ["cmdline.txt: missing"]),
        ("slot-a/vmlinuz", ["vmlinuz: missing"]),
    ],
)
def test_a_missing_file_is_told(boot: Path, file: str, told: list[str]) -> None:
    (boot / file).unlink()
    assert faults(boot) == told


def test_a_config_that_names_other_files_is_told(boot: Path) -> None:
    config = (boot / "config.txt").read_text().replace("kernel=vmlinuz", "kernel=Image")
    (boot / "config.txt").write_text(config.replace("initramfs initrd.img", "initramfs initrd"))
    assert faults(boot) == ["initrd: missing", "Image: missing"]


def test_a_kernel_that_the_firmware_cannot_unpack_is_told(boot: Path) -> None:
    kernel = boot / "slot-a" / "vmlinuz"
    whole = kernel.read_bytes()
    kernel.write_bytes(b"MZ" + whole[2:])
    assert faults(boot) == ["vmlinuz: not compressed by gzip"]
    kernel.write_bytes(whole[:-4] + struct.pack("<I", LARGEST_KERNEL))
    assert faults(boot) == [f"vmlinuz: {LARGEST_KERNEL} bytes unpacked, at most {LARGEST_KERNEL}"]


def test_only_a_pi_4_runs_faster() -> None:
    """Its setting does not spill over what stands below it."""
    config = (ROOT / "image/boot/config.txt").read_text()
    assert settings(config, "pi4") == {**settings(config), "arm_boost": "1"}
    assert "arm_boost" not in settings(config, "pi5")
    assert settings(config)["os_prefix"] == "slot-a/"
