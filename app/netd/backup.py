"""Backup and restore in netd: what goes into the file, and how restored settings come into force.

A restore ends the process. Once all files are on disk, netd changes nothing more, answers and exits. The supervisor
starts the next process, which adopts no tunnel: the kernel keeps the last plan until the first plan of the restored
settings, with every exit down, replaces it. A complete plan is in force at every moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from app import async_files
from app.errors import UnavailableError
from app.netd.protocols import OwnerPassword
from app.protocol.answers import Restored
from app.protocol.commands import CreateBackup, HandlerEntry, RestoreBackup
from app.store import Store, accounts
from app.store.backup import Backup, Part, Summary

log = logging.getLogger(__name__)

RESTART_AFTER = 0.2  # seconds, in which the answer is sent


class BackupService:
    """The service that makes and restores backups.

    ``check_owner`` checks the owner's password. A restore calls ``freeze``, after which nothing in this process may
    change the network, and ``closing``, which close the writers of the restored files. It sets ``restart`` when the
    process has to end.
    """

    def __init__(
        self,
        store: Store,
        state_dir: Path,
        *,
        freeze: Callable[[], None],
        closing: Sequence[Callable[[], None]],
        restart: asyncio.Event,
        check_owner: OwnerPassword,
    ) -> None:
        self._backup = Backup(store, parts(state_dir))
        self._freeze = freeze
        self._closing = closing
        self._restart = restart
        self._check_owner = check_owner
        self._restored = False

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return CreateBackup.handled_by(self.create), RestoreBackup.handled_by(self.restore)

    def check_not_restarting(self) -> None:
        """Raises UnavailableError once a restore has been made."""
        if self._restored:
            raise UnavailableError("a backup was restored and the gateway is restarting", code="restarting")

    async def create(self, command: CreateBackup) -> bytes:
        """Make the backup.

        Raises InvalidFieldError (``passphrase``), ConflictError (``busy``, ``not_restorable``), or what checking the
        password raises.
        """
        await self._check_owner(command.password)
        return await self._backup.create(command.passphrase)

    async def restore(self, command: RestoreBackup) -> Restored:
        """Raises what :meth:`app.store.backup.Backup.restore` raises; then nothing has changed."""
        if command.dry_run:
            return _restored(await self._backup.inspect(command.backup, command.passphrase), dry_run=True)
        await self._check_owner(command.password)
        summary = await self._backup.restore(command.backup, command.passphrase, command.accept)
        # No other task has run since the files were replaced.
        self._restored = True
        self._freeze()
        for close in self._closing:  # tasks that still run must not overwrite the restored files
            close()
        log.info("restored a backup with %d servers and %d devices; restarting", summary.servers, summary.devices)
        asyncio.get_running_loop().call_later(RESTART_AFTER, self._restart.set)
        return _restored(summary, dry_run=False)


def parts(state_dir: Path) -> tuple[Part, ...]:
    """The state files that are not the store's, each with its check."""

    def check_accounts(data: bytes) -> None:
        found = accounts.decode(data)
        if found.damaged or found.version > accounts.VERSION:
            raise ValueError(f"{accounts.FILE}: not valid: {', '.join(found.damaged) or 'a newer version'}")

    return (Part(accounts.FILE, lambda: async_files.read(state_dir / accounts.FILE), check_accounts),)


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
        opens=summary.opens,
    )
