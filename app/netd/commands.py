"""What each command does. Nothing is changed before everything about it has been checked."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, assert_never

import msgspec

from app.errors import ConflictError, InvalidFieldError, KernelError
from app.gateway import (
    AddCustomServer,
    Command,
    Connect,
    Disconnect,
    Done,
    GenerateKeypair,
    ImportConfig,
    Keypair,
    ListServers,
    RemoveCustomServer,
    Result,
    SelectProvider,
    ServerList,
    SetDevicePolicy,
)
from app.keys import generate_keypair
from app.model import Device, Settings, VpnPolicy
from app.tunnel.states import Target

if TYPE_CHECKING:
    from app.netd.core import Core

MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
MAX_DEVICES = 1024


class Commands:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def run(self, command: Command) -> Result:
        """Carry out ``command``. Raises GatewayError; then nothing was changed."""
        core = self._core
        match command:
            case Connect():
                return await self._connect(command)
            case Disconnect(exit=name):
                machine = core.exit(name)
                await core.want(name, None)
                await machine.disconnect()
                return Done("Disconnected - No internet (killswitch active)")
            case SelectProvider(provider=name):
                core.registry.get(name)
                core.store.update_settings(lambda s: msgspec.structs.replace(s, provider=name))
                core.events.publish("server_update", {"provider": name})
                return Done()
            case ListServers(provider=name):
                chosen = name or core.settings.provider
                return ServerList(chosen, await core.registry.get(chosen).servers())
            case AddCustomServer():
                return self._add(command)
            case ImportConfig():
                return self._import(command)
            case RemoveCustomServer(name=name):
                return self._remove(name)
            case GenerateKeypair():
                private, public = generate_keypair()
                return Keypair(private.reveal(), public)
            case SetDevicePolicy():
                return await self._policy(command)
            case _:
                assert_never(command)
