"""The restore in netd replaces all files at once, stops all writing, and asks for a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from app.errors import ForbiddenError, InvalidFieldError, UnavailableError
from app.model import Secret
from app.netd.backup import BackupService
from app.netd.owner import OwnerCheck
from app.netd.protocols import OwnerPassword
from app.protocol.commands import CreateBackup, RestoreBackup
from app.store import Store, age
from app.store.accounts import FILE, Account, Accounts
from app.store.backup import Backup
from ci.labnet.owner import PASSWORD, own
from tests.support.file_calls import blocking_file_calls

PASSPHRASE = "correct horse"
ACCOUNT = Account(credentials={"account_number": Secret("1234123412341234")})


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch):
    real = age.encrypt
    monkeypatch.setattr(age, "encrypt", lambda data, words: real(data, words, work_factor=4))


def an_owner(directory: Path) -> OwnerPassword:
    (directory / "web").mkdir(parents=True)
    own(directory / "web", directory)
    return OwnerCheck(directory).check


def contents(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.glob("*.json")}


async def test_restore_replaces_all_files_and_ends_all_writing(tmp_path):
    """After the restore, this process writes nothing more and is to end."""
    left: list[str] = []
    with Store(tmp_path) as store:
        accounts = Accounts(tmp_path)
        accounts.load()
        restart = asyncio.Event()
        backup = BackupService(
            store,
            tmp_path,
            freeze=lambda: left.append("left"),
            closing=(store.close, accounts.close),
            restart=restart,
            check_owner=an_owner(tmp_path / "owner"),
        )
        accounts.put("mullvad", ACCOUNT)
        store.update_settings(lambda s: msgspec.structs.replace(s, provider="custom"))
        before = contents(tmp_path)
        with blocking_file_calls(tmp_path) as blocking:
            file = await backup.create(CreateBackup(PASSPHRASE, PASSWORD))
        assert blocking == []
        accounts.remove("mullvad")
        store.update_settings(lambda s: msgspec.structs.replace(s, provider="imported"))

        dry = await backup.restore(RestoreBackup(file, PASSPHRASE, dry_run=True))
        assert (dry.dry_run, dry.parts, left) == (True, (FILE,), [])
        backup.check_not_restarting()
        assert contents(tmp_path) != before

        restored = await backup.restore(RestoreBackup(file, PASSPHRASE, password=PASSWORD))
        assert (restored.dry_run, left) == (False, ["left"])
        assert contents(tmp_path) == before
        with pytest.raises(UnavailableError) as refused:
            backup.check_not_restarting()
        assert refused.value.code == "restarting"
        # Whatever was under way writes nothing over it:
        with pytest.raises(UnavailableError):
            store.update_settings(lambda s: msgspec.structs.replace(s, provider="mullvad"))
        with pytest.raises(UnavailableError):
            accounts.put("mullvad", ACCOUNT)
        assert contents(tmp_path) == before
        await asyncio.wait_for(restart.wait(), 5)


async def test_restore_with_damaged_account_is_refused(tmp_path):
    with Store(tmp_path) as store:
        backup = BackupService(
            store,
            tmp_path,
            freeze=lambda: pytest.fail("left"),
            closing=(store.close,),
            restart=asyncio.Event(),
            check_owner=an_owner(tmp_path / "owner"),
        )
        damaged = json.dumps({"version": 1, "accounts": {"mullvad": {"private_key": "x"}}}).encode()
        file = age.encrypt(Backup(store).document({FILE: damaged}), PASSPHRASE)
        before = contents(tmp_path)
        with pytest.raises(InvalidFieldError) as refused:
            await backup.restore(RestoreBackup(file, PASSPHRASE, password=PASSWORD))
        assert (refused.value.code, refused.value.field) == ("invalid_backup", "backup")
        assert contents(tmp_path) == before
        backup.check_not_restarting()


@pytest.mark.parametrize(("password", "refusal"), [(None, InvalidFieldError), ("not the owner's", ForbiddenError)])
async def test_keys_leave_only_with_the_owners_password(tmp_path, password, refusal):
    """A web process that was taken over got every key by a backup under a passphrase of its own."""
    with Store(tmp_path) as store:
        backup = BackupService(
            store,
            tmp_path,
            freeze=lambda: pytest.fail("left"),
            closing=(store.close,),
            restart=asyncio.Event(),
            check_owner=an_owner(tmp_path / "owner"),
        )
        file = await backup.create(CreateBackup(PASSPHRASE, PASSWORD))
        before = contents(tmp_path)
        with pytest.raises(refusal):
            await backup.create(CreateBackup(PASSPHRASE, password))
        with pytest.raises(refusal):
            await backup.restore(RestoreBackup(file, PASSPHRASE, password=password))
        assert contents(tmp_path) == before
        assert (await backup.restore(RestoreBackup(file, PASSPHRASE, dry_run=True))).dry_run is True
