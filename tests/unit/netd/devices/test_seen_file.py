"""The devices that were seen, over restarts of netd."""

from __future__ import annotations

import asyncio

import pytest

from app.model import SeenDevice
from app.netd.devices import seen_file

NAS = SeenDevice("00:11:32:00:00:01", 1.0, 2.0, True, ("192.168.77.9",), "nas", ("_smb._tcp",), "Synology", "storage")


def test_devices_are_kept(tmp_path):
    path = tmp_path / seen_file.FILE
    asyncio.run(seen_file.save(path, (NAS,)))
    assert seen_file.load(path) == (NAS,)
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{", '{"version": 1, "devices": 3}', '{"version": 9, "devices": []}'])
def test_file_that_cannot_be_used_is_passed_over(tmp_path, text):
    path = tmp_path / seen_file.FILE
    path.write_text(text)
    assert seen_file.load(path) == ()
    assert seen_file.load(tmp_path / "none.json") == ()
