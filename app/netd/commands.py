"""What each command does. Nothing is changed before everything about it has been checked."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import msgspec

from app import keys
from app.errors import ConflictError, ConnectTimeoutError, InvalidFieldError, KernelError
from app.model import Device, Settings, VpnPolicy
from app.netd import accounts
from app.netd.bulk import Bulks
from app.netd.imports import import_one
from app.netd.leaktest import leak_test
from app.netd.logbook import BOOK
from app.netd.support import Support
from app.netd.wanport import choose
from app.protocol.commands import (
    AddCustomServer,
    Bulk,
    ChooseWan,
    Command,
    Connect,
    CreateBackup,
    DescribeProvider,
    Disconnect,
    Done,
    ExportHistory,
    GenerateKeypair,
    GetAccount,
    GetCounters,
    GetHistory,
    GetLogs,
    GetPreferences,
    GetTraffic,
    GetTrafficByName,
    ImportConfig,
    Keypair,
    LeakTest,
    ListProviderDevices,
    ListServers,
    MakeSupportFile,
    RemoveCustomServer,
    RestoreBackup,
    Result,
    SelectProvider,
    ServerList,
    SetDevicePolicy,
)
from app.providers.custom import parse_custom
from app.tunnel.machine import ExitMachine
from app.tunnel.states import Target, tunnels_of

if TYPE_CHECKING:
    from app.netd.core import Core

MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
MAX_DEVICES = 1024

# What an atomic bulk request does not keep waiting: whatever only looks, and whoever wants everything to stop.
DURING_BULK = (
    Disconnect,
    ListServers,
    GenerateKeypair,
    GetTraffic,
    GetTrafficByName,
    GetHistory,
    ExportHistory,
    GetCounters,
    GetLogs,
    MakeSupportFile,
    LeakTest,
    DescribeProvider,
    GetAccount,
    ListProviderDevices,
    GetPreferences,
)
PLACE_ATTEMPTS = 3  # servers tried where a place was asked for


class Commands:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._bulks = Bulks(core, self._run)
        self._support = Support(core)

    async def run(self, command: Command) -> Result:
        """Carry out ``command``. Raises GatewayError; then nothing was changed."""
        if isinstance(command, Bulk):
            return await self._bulks.run(command)
        if not isinstance(command, DURING_BULK):
            self._bulks.check_free()
        return await self._run(command)

    async def _run(self, command: Command) -> Result:
        core = self._core
        core.archive.check_open()
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
            case ListServers(provider=name, wanted=wanted, order=order, limit=limit):
                chosen = name or core.settings.provider
                return ServerList(chosen, await core.servers.listed(chosen, wanted, order, limit))
            case AddCustomServer():
                return self._add(command)
            case ImportConfig():
                return import_one(core, command)
            case RemoveCustomServer(name=name):
                return self._remove(name)
            case GenerateKeypair():
                pair = keys.generate()
                return Keypair(pair.private_key.reveal(), pair.public_key)
            case SetDevicePolicy():
                return await self._policy(command)
            case ChooseWan(port=port):
                await choose(core, port)
                return Done()
            case GetTraffic() | GetTrafficByName() | GetHistory() | ExportHistory() | GetCounters():
                return await core.records.answer(command)
            case CreateBackup():
                return await core.archive.create(command)
            case RestoreBackup():
                return await core.archive.restore(command)
            case LeakTest(exit=name):
                return await leak_test(core, name)
            case GetLogs(lines=lines, after=after):
                return BOOK.read(lines, after)
            case MakeSupportFile():
                return await self._support.make()
            case Bulk():
                raise AssertionError("a bulk request holds no other")
            case _:
                return await accounts.run(core, command)

    async def _connect(self, command: Connect) -> Done:
        core = self._core
        machine = core.exit(command.exit)
        meant = await core.servers.meant(command.provider or core.settings.provider, command.server)
        named = meant[0].hostname == command.server
        for target in meant[:PLACE_ATTEMPTS]:
            try:
                await self._connect_to(machine, target)
            except ConnectTimeoutError:
                core.failover.memory.failed(command.exit, target)
                if target == meant[:PLACE_ATTEMPTS][-1]:
                    raise
            else:
                core.servers.used(target)
                return Done(server=None if named else target.hostname)
        raise AssertionError("meant is never empty")

    async def _connect_to(self, machine: ExitMachine, target: Target) -> None:
        core = self._core
        previous = core.settings.desired.get(machine.name)
        await core.tunnel_config(target)  # a server that cannot be connected changes nothing
        await core.want(machine.name, target)
        try:
            await machine.connect(target)
        finally:
            # A switch that failed leaves the old tunnel up: that is what a restart should come back to.
            if previous is not None and machine.goal == Target.parse(previous):
                await core.want(machine.name, machine.goal)

    def _add(self, command: AddCustomServer) -> Done:
        core = self._core
        core.store.check_name_free(command.name.strip())
        stored, secrets = parse_custom(command, added=time.time(), lan=core.lan_networks)
        core.store.add_server(stored, secrets)
        core.events.publish("server_update", {"provider": stored.provider, "added": stored.name})
        return Done(warnings=stored.warnings, public_key=stored.public_key)

    def _remove(self, name: str) -> Done:
        core = self._core
        server = core.store.server(name)
        target = Target(server.provider, server.name)
        for machine in core.machines.values():
            if machine.goal == target or any(t.target == target for t in tunnels_of(machine.state)):
                raise ConflictError(
                    f'"{server.name}" is in use by exit {machine.name!r}; disconnect it first',
                    field="name",
                    code="in_use",
                )
        core.store.remove_server(name)
        core.events.publish("server_update", {"provider": server.provider, "removed": server.name})
        return Done()

    async def _policy(self, command: SetDevicePolicy) -> Done:
        core = self._core
        mac = command.mac.lower()
        if not MAC.fullmatch(mac):
            raise InvalidFieldError("mac: six pairs of hexadecimal digits, such as 02:00:00:00:00:01", field="mac")
        if isinstance(command.policy, VpnPolicy):
            core.exit(command.policy.exit)
        old = next((d for d in core.settings.devices if d.mac == mac), None)
        if old is None and len(core.settings.devices) >= MAX_DEVICES:
            raise ConflictError(f"there are already {MAX_DEVICES} devices with a policy of their own", code="too_many")
        name = command.name if command.name is not None else (old.name if old else None)
        new = Device(mac, command.policy, name)
        core.store.update_settings(lambda s: with_device(s, mac, new))
        try:
            await core.replan()
        except KernelError:
            # Of this device alone, and only where nobody has set another policy meanwhile.
            core.store.update_settings(lambda s: with_device(s, mac, old) if new in s.devices else s)
            raise
        await core.forget_device(mac)
        core.events.publish("device_change", {"mac": mac, "reason": "policy"})
        return Done()


def with_device(settings: Settings, mac: str, device: Device | None) -> Settings:
    """``settings`` in which ``device`` is all that there is about ``mac`` (pure)."""
    others = tuple(d for d in settings.devices if d.mac != mac)
    return msgspec.structs.replace(settings, devices=(*others, device) if device is not None else others)
