"""Small device trees written by hand, as dtc makes them."""

from __future__ import annotations

import subprocess

from image.boards.devicetree import DeviceTree, read


def compiled(source: str) -> bytes:
    """A .dtb of what is between the braces of the root; labels stay known, as in a kernel's trees."""
    text = f"/dts-v1/;\n/ {{\n{source}\n}};\n"
    command = ["dtc", "-q", "-@", "-I", "dts", "-O", "dtb"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout


def tree(source: str) -> DeviceTree:
    return read(compiled(source))
