"""The tars that are laid over the root: what the units start is in them, with the byte code that a start runs from."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[3]


def members(file: Path) -> set[str]:
    with tarfile.open(file) as tar:
        return {name.removeprefix("./") for name in tar.getnames()}


def pack(*arguments: str | Path, **variables: str) -> None:
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1790000000"} | variables
    subprocess.run([ROOT / "image/tars", *arguments], env=environment, check=True, timeout=200)


def test_firstboot_is_in_the_application_with_its_byte_code(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "site").mkdir(parents=True)
    with tarfile.open(tmp_path / "site.tar", "w") as tar:
        tar.add(site / "site", "site")
    pack("app", tmp_path / "site.tar", "0.1.0", tmp_path / "app.tar")
    found = members(tmp_path / "app.tar")
    package = ROOT / "app" / "firstboot"
    for module in package.glob("*.py"):
        assert f"app/firstboot/{module.name}" in found
        compiled = f"app/firstboot/__pycache__/{module.stem}.cpython-"
        assert any(name.startswith(compiled) and name.endswith(".pyc") for name in found), module.name


def test_the_overlay_has_files_that_are_copied_as_they_are(tmp_path: Path) -> None:
    share = tmp_path / "share"
    for name in ("ieee-data/oui.txt", "doc/ieee-data/copyright"):
        (share / name).parent.mkdir(parents=True)
        (share / name).touch()
    pack("overlay", tmp_path / "overlay.tar", SHARE=str(share))
    found = members(tmp_path / "overlay.tar")
    assert {"usr/share/ieee-data/oui.txt", "usr/share/doc/ieee-data/copyright"} <= found
    assert "usr/lib/systemd/system/vpn-gateway-firstboot.service" in found
    assert not [name for name in found if name.endswith((".py", ".pyc"))]
