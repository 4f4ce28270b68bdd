"""The boot partition as the firmware of each Pi reads it: checks that each model finds its files."""

from __future__ import annotations

import struct
from pathlib import Path

from image.boards.models import D0_OVERLAY, MODELS, POE_OVERLAYS, Model

GZIP_MAGIC = b"\x1f\x8b"
LARGEST_KERNEL = 256 * 1024 * 1024  # bytes, unpacked: the firmware's own limit


def settings(config: str, model: str = "all") -> dict[str, str]:
    """config.txt as ``model`` reads it (``pi3``, ``pi4`` ...): the lines for all, and those below its own filter.

    Filters by anything else than the model are not read.
    """
    found: dict[str, str] = {}
    applies = True
    for line in (line.split("#")[0].strip() for line in config.splitlines()):
        if line.startswith("["):
            applies = line.strip("[]") in {"all", model}
        elif applies and line:
            name, _, value = (
                line.replace(" ", "=", 1).partition("=") if line.startswith("initramfs ") else line.partition("=")
            )
            found[name] = value
    return found


def faults(boot: Path) -> list[str]:
    """The faults of a boot partition, copied to the directory ``boot``; each names a model or file."""
    config = settings((boot / "config.txt").read_text())
    slot = boot / config["os_prefix"]
    initrd = config["initramfs"].split()[0]
    found = [f"{name}: missing" for name in (initrd, "cmdline.txt") if not (slot / name).is_file()]
    found += kernel_faults(slot / config["kernel"])
    for model in MODELS:
        found += model_faults(model, boot, slot)
    # The firmware looks for overlays in the slot where this file is, and in /overlays otherwise.
    overlays = ["overlays/README", *(f"overlays/{name}.dtbo" for name in (D0_OVERLAY, *POE_OVERLAYS))]
    return found + [f"{name}: missing" for name in overlays if not (slot / name).is_file()]


def kernel_faults(kernel: Path) -> list[str]:
    """The faults of the kernel file. The firmware unpacks it: it detects gzip and reads the size at its end."""
    if not kernel.is_file():
        return [f"{kernel.name}: missing"]
    with kernel.open("rb") as file:
        if file.read(2) != GZIP_MAGIC:
            return [f"{kernel.name}: not compressed by gzip"]
        file.seek(-4, 2)
        (size,) = struct.unpack("<I", file.read(4))
    return [f"{kernel.name}: {size} bytes unpacked, at most {LARGEST_KERNEL}"] if size >= LARGEST_KERNEL else []


def model_faults(model: Model, boot: Path, slot: Path) -> list[str]:
    trees = [slot / f"{name}.dtb" for name in dict.fromkeys((model.tree, model.other_name))]
    needed = trees + [boot / name for name in model.firmware]
    found = [
        f"Pi {model.name}: {file.name} is missing" for file in needed if not (file.is_file() and file.stat().st_size)
    ]
    # A start file and the fixup of another version do not run.
    starts = [name for name in model.firmware if name.startswith("start")]
    for start in starts:
        fixup = start.replace("start", "fixup").replace(".elf", ".dat")
        if fixup not in model.firmware:
            found.append(f"Pi {model.name}: {start} without {fixup}")
    return found
