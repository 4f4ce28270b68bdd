"""The commands for servers and the default provider: list, mark, add, import, remove."""

from __future__ import annotations

import time
from typing import Protocol

import msgspec

from app import keys
from app.errors import ConflictError
from app.netd.imports import ServerImporter
from app.netd.intent import Intent
from app.netd.protocols import ProviderLookup
from app.netd.server_directory import ServerDirectory
from app.protocol.answers import Done, Keypair, ServerList
from app.protocol.commands import (
    AddCustomServer,
    GenerateKeypair,
    HandlerEntry,
    ImportConfig,
    ListServers,
    RemoveCustomServer,
    SelectProvider,
    SetFavourite,
)
from app.protocol.events import EventSink, ServersChanged
from app.providers.base import find_server
from app.providers.custom import parse_custom
from app.store import Store
from app.tunnel.states import Target


class ServerUsers(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    def user_of(self, target: Target) -> str | None: ...


class ServerCommands:
    """The handlers of the commands for servers."""

    def __init__(
        self,
        *,
        store: Store,
        providers: ProviderLookup,
        directory: ServerDirectory,
        intent: Intent,
        importer: ServerImporter,
        exits: ServerUsers,
        publish: EventSink,
    ) -> None:
        self._store = store
        self._providers = providers
        self._directory = directory
        self._intent = intent
        self._importer = importer
        self._exits = exits
        self._publish = publish

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (
            SelectProvider.handled_by(self._select_provider),
            ListServers.handled_by(self._list),
            SetFavourite.handled_by(self._favourite),
            AddCustomServer.handled_by(self._add),
            ImportConfig.handled_by(self._import),
            RemoveCustomServer.handled_by(self._remove),
            GenerateKeypair.handled_by(self._generate_keypair),
        )

    async def _select_provider(self, command: SelectProvider) -> Done:
        self._providers.get(command.provider)
        self._store.update_settings(lambda s: msgspec.structs.replace(s, provider=command.provider))
        self._publish(ServersChanged(command.provider))
        return Done()

    async def _list(self, command: ListServers) -> ServerList:
        provider = command.provider or self._store.settings.provider
        found = await self._directory.find(provider, command.wanted, command.order, command.limit)
        return ServerList(provider, found)

    async def _favourite(self, command: SetFavourite) -> Done:
        if command.favourite:
            await find_server(self._providers.get(command.provider), command.server)
        if self._intent.mark_favourite(command.provider, command.server, favourite=command.favourite):
            self._publish(ServersChanged(command.provider, favourite=command.server))
        return Done()

    async def _add(self, command: AddCustomServer) -> Done:
        self._store.check_name_free(command.name.strip())
        stored, secrets = parse_custom(command, added=time.time(), lan=self._store.settings.lan.networks)
        self._store.add_server(stored, secrets)
        self._publish(ServersChanged(stored.provider, added=stored.name))
        return Done(warnings=stored.warnings, public_key=stored.public_key)

    async def _import(self, command: ImportConfig) -> Done:
        return await self._importer.import_with_offer(command)

    async def _remove(self, command: RemoveCustomServer) -> Done:
        server = self._store.server(command.name)
        user = self._exits.user_of(Target(server.provider, server.name))
        if user is not None:
            raise ConflictError(
                f'"{server.name}" is in use by exit {user!r}; disconnect it first', field="name", code="in_use"
            )
        self._store.remove_server(command.name)
        self._publish(ServersChanged(server.provider, removed=server.name))
        return Done()

    async def _generate_keypair(self, _command: GenerateKeypair) -> Keypair:
        pair = keys.generate()
        return Keypair(pair.private_key.reveal(), pair.public_key)
