"""Backup and restore in netd: what goes into the file, and how restored settings come into force.

A restore is a new beginning. Once everything is on disk this process changes nothing any more, answers, and ends. The
supervisor starts the next one, which begins as after any restart, but takes over no tunnel: the kernel goes on with the
last plan until the first plan of the restored settings replaces it, in which every exit is down. At no moment is less
than a whole plan in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from app import async_files
from app.errors import UnavailableError
from app.protocol.answers import Restored
from app.protocol.commands import CreateBackup, RestoreBackup
from app.store import Store, accounts
from app.store.backup import Backup, Part, Summary

log = logging.getLogger(__name__)

RESTART_AFTER = 0.2  # seconds: the answer goes out first


class Archive:
    """``leave`` is called at the moment of a restore: whatever runs in this process must change nothing after it."""

    def __init__(self, store: Store, state_dir: Path, *, leave: Callable[[], None]) -> None:
        self._backup = Backup(store, parts(state_dir))
        self._leave = leave
        self._restored = False
        self.closing: list[Callable[[], None]] = [store.close]  # called at a restore: whoever else writes these files
        self.restart = asyncio.Event()  # set: end now, so that the restored settings come into force

    def check_open(self) -> None:
        """Raises UnavailableError once a restore has been made."""
        if self._restored:
            raise UnavailableError("a backup was restored and the gateway is restarting", code="restarting")

    async def create(self, command: CreateBackup) -> bytes:
        """Raises InvalidFieldError (``passphrase``), ConflictError (``busy``)."""
        return await self._backup.create(command.passphrase)

    async def restore(self, command: RestoreBackup) -> Restored:
        """Raises as :meth:`app.store.backup.Backup.restore` does; then nothing has changed."""
        if command.dry_run:
            return _restored(await self._backup.inspect(command.backup, command.passphrase), dry_run=True)
        summary = await self._backup.restore(command.backup, command.passphrase)
        # Nobody has run between the files' replacement and these lines.
        self._restored = True
        self._leave()
        for close in self.closing:  # what is under way in this process writes nothing over the restored files
            close()
        log.info("restored a backup with %d servers and %d devices; restarting", summary.servers, summary.devices)
        asyncio.get_running_loop().call_later(RESTART_AFTER, self.restart.set)
        return _restored(summary, dry_run=False)


def parts(state_dir: Path) -> tuple[Part, ...]:
    """The state files that others than the store keep."""

    def check_accounts(data: bytes) -> None:
        found = accounts.decode(data)
        if found.damaged or found.version > accounts.VERSION:
            raise ValueError(f"{accounts.FILE}: not valid: {', '.join(found.damaged) or 'a newer version'}")

    return (Part(accounts.FILE, lambda: async_files.read(state_dir / accounts.FILE), check_accounts),)


def forget(path: Path) -> None:
    """Remove a file that is as good as gone where it cannot be removed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _restored(summary: Summary, *, dry_run: bool) -> Restored:
    return Restored(
        dry_run=dry_run,
        created=summary.created,
        application=summary.application,
        version=summary.version,
        servers=summary.servers,
        devices=summary.devices,
        parts=summary.parts,
        warnings=summary.warnings,
    )
