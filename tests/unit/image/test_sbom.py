"""The bill of materials has what no package's version tells: the day of the boot firmware."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SBOM = Path(__file__).parents[3] / "image" / "sbom.py"
COMMIT = "86ccc427f35fdc604edc511881cdf579df945fb4"


def test_the_boot_firmware_is_in_it_by_its_day(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    package = "Package: raspi-firmware\nStatus: install ok installed\nVersion: 1.2\nArchitecture: arm64\n"
    (tmp_path / "var/lib/dpkg/status").write_text(package)
    (tmp_path / "usr/lib/vpn-gateway").mkdir(parents=True)
    (tmp_path / "usr/lib/vpn-gateway/version").write_text("0.1.0\n")
    vendor = tmp_path / "usr/lib/vpn-gateway/app/web/static/vendor"
    vendor.mkdir(parents=True)
    library = {"name": "@preact/signals", "version": "2.11.4", "license": "MIT"}
    (vendor / "libraries.json").write_text(json.dumps([library]))
    firmware = tmp_path / "usr/lib/raspi-firmware"
    firmware.mkdir()
    told = f"VC_BUILD_ID_TIME: 17:27:22\0VC_BUILD_ID_TIME: Apr 17 2024\0\0VC_BUILD_ID_VERSION: {COMMIT} (clean)\0"
    for name in ("start.elf", "start_cd.elf", "start4.elf"):
        (firmware / name).write_bytes(b"\x7fELF\xff" + told.encode())
    (firmware / "start4cd.elf").write_bytes(b"\x7fELF")
    done = subprocess.run(
        [sys.executable, "-I", SBOM, tmp_path, "image"],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
        capture_output=True,
        text=True,
        check=True,
    )
    parts = {part["name"]: part for part in json.loads(done.stdout)["components"]}
    assert parts["start4.elf"]["version"] == "2024-04-17"
    assert COMMIT in parts["start4.elf"]["description"]
    assert parts["start4cd.elf"]["version"] == "unknown"
    assert parts["raspi-firmware"]["version"] == "1.2"
    assert parts["@preact/signals"]["purl"] == "pkg:npm/%40preact/signals@2.11.4"
    assert parts["@preact/signals"]["licenses"] == [{"license": {"id": "MIT"}}]
