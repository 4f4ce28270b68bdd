"""The import of .conf files, under a chosen name or one derived from the file name.

A chosen name is used as it is or refused. A file name is cleaned up, and gets a number if another server has it.
Importing the same configuration under the same name again changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

from msgspec.structs import replace

from app.addresses import Network
from app.errors import ConflictError, GatewayError
from app.filenames import numbered, server_name
from app.model import ServerSecrets, StoredServer
from app.netd.outcomes import from_error, with_position
from app.protocol.answers import Done, Outcome
from app.protocol.commands import ImportConfig
from app.protocol.events import EventSink, ServersChanged
from app.providers.imported import ImportedProvider, parse_import
from app.store import MAX_SERVERS, Store

Parsed = tuple[StoredServer, ServerSecrets]


def parse(command: ImportConfig, lan: tuple[Network, ...]) -> Parsed:
    """The server of ``command`` and its secrets. Raises InvalidFieldError (name, configuration)."""
    name = server_name(command.name) if command.from_file else command.name
    return parse_import(name, command.config, added=time.time(), lan=lan)


class FileOffers(Protocol):
    """What is used of :class:`app.netd.file_keys.FileKeys`."""

    async def with_offer(self, done: Done, name: str) -> Done: ...


class ServerImporter:
    """The importer stores servers; ``check_not_restarting`` raises a GatewayError once a restart is due."""

    def __init__(
        self, store: Store, publish: EventSink, check_not_restarting: Callable[[], None], offers: FileOffers
    ) -> None:
        self._store = store
        self._publish = publish
        self._check_not_restarting = check_not_restarting
        self._offers = offers

    async def import_with_offer(self, command: ImportConfig) -> Done:
        """Import, and find the list that the file's key opens. Raises what :meth:`import_one` raises."""
        name, done = self._import(command)
        if command.dry_run:
            return done
        return await self._offers.with_offer(done, name)

    def import_one(self, command: ImportConfig) -> Done:
        """Raises InvalidFieldError, ConflictError (name in use, store full), UnavailableError (``storage``)."""
        return self._import(command)[1]

    def _import(self, command: ImportConfig) -> tuple[str, Done]:
        """The name of the stored server, and the answer."""
        server, secrets = parse(command, self._store.settings.lan.networks)
        if command.from_file:
            done = add_file(self._store, server, secrets, dry_run=command.dry_run)
        else:
            self._store.check_name_free(server.name)
            if not command.dry_run:
                self._store.add_server(server, secrets)
            done = Done(warnings=server.warnings, public_key=server.public_key)
        name = done.server or server.name
        if not command.dry_run:
            self._publish(ServersChanged(server.provider, added=name))
        return name, done

    async def import_files(
        self, commands: tuple[ImportConfig, ...], check_free: Callable[[], None], *, atomic: bool
    ) -> tuple[Outcome, ...]:
        """Import the files of an archive in one transaction: all or none if ``atomic``, else each independently.

        Files that are only checked (``dry_run``) are checked as if those before them were there already.
        If the store has no room for all of them, none is imported either way. Raises the first file's error
        if ``atomic`` (with ``operations[N]``), ConflictError (``too_many``), UnavailableError (``storage``).
        """
        lan = self._store.settings.lan.networks
        # In a thread: a thousand files take seconds on a small board, and the reconciler must not wait for them.
        read = await asyncio.to_thread(lambda: [_parse_or_error(command, lan) for command in commands])
        self._check_not_restarting()  # a restore or an atomic request may have begun since
        check_free()
        store = self._store
        room = MAX_SERVERS - len(store.servers())
        outcomes: list[Outcome] = []
        store.begin()
        try:
            for number, found in enumerate(read):
                try:
                    if isinstance(found, GatewayError):
                        raise found
                    outcomes.append(Outcome(200, done=add_file(store, *found)))
                except GatewayError as error:
                    if error.code == "too_many":
                        raise _no_room(len(commands), room) from None
                    if atomic:
                        raise with_position(error, number) from None
                    outcomes.append(from_error(error))
        except BaseException:
            store.abort()
            raise
        if any(command.dry_run for command in commands):
            store.abort()
            return tuple(outcomes)
        store.commit()
        # One event for all: a listener that is some hundreds behind would be dropped.
        self._publish(ServersChanged(ImportedProvider.name))
        return tuple([await self._with_offer(outcome) for outcome in outcomes])

    async def _with_offer(self, outcome: Outcome) -> Outcome:
        done = outcome.done
        if done is None or done.server is None:
            return outcome
        return replace(outcome, done=await self._offers.with_offer(done, done.server))


def add_file(store: Store, server: StoredServer, secrets: ServerSecrets, *, dry_run: bool = False) -> Done:
    """Store ``server`` under its name, or the first free one with a number. Raises ConflictError (store full)."""
    name = server.name
    numbers = count(2)
    while (holder := store.holder(name)) is not None:
        if _same_config(store, holder, server, secrets):
            warning = f'it is there already, as "{holder.name}"'
            return Done(warnings=(warning,), public_key=server.public_key, server=holder.name)
        name = numbered(server.name, next(numbers))
    if not dry_run:
        store.add_server(replace(server, name=name), secrets)
    warnings = server.warnings
    if name != server.name:
        warnings = (f'there is another server "{server.name}", so this one is called "{name}"', *warnings)
    return Done(warnings=warnings, public_key=server.public_key, server=name)


def _same_config(store: Store, holder: StoredServer, server: StoredServer, secrets: ServerSecrets) -> bool:
    """Whether ``holder`` has the same configuration; its warnings and its place may differ."""
    fields = ("provider", "peers", "addresses", "dns", "mtu", "listen_port", "public_key")
    if any(getattr(holder, key) != getattr(server, key) for key in fields):
        return False
    return store.has_secrets(holder.name) and store.secrets_for(holder.name) == secrets


def _parse_or_error(command: ImportConfig, lan: tuple[Network, ...]) -> Parsed | GatewayError:
    try:
        return parse(command, lan)
    except GatewayError as error:
        return error


def _no_room(files: int, room: int) -> ConflictError:
    return ConflictError(
        f"these are {files} files, and there is room for {room} more servers ({MAX_SERVERS} at most);"
        " nothing was imported",
        code="too_many",
    )
