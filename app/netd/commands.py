"""Commands are carried out here. Nothing is changed before everything about one has been checked."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from app import keys
from app.errors import ConflictError, ConnectTimeoutError, InvalidFieldError, KernelError
from app.model import Device, Settings, VpnPolicy
from app.netd.accounts import Accounts
from app.netd.bulk import Bulks
from app.netd.imports import import_one
from app.netd.leaktest import leak_test
from app.netd.logbook import BOOK
from app.netd.support import Support
from app.netd.wanport import choose
from app.protocol.answers import Done, Keypair, LeakReport, LogLines, ServerList
from app.protocol.commands import (
    AddCustomServer,
    Bulk,
    ChooseWan,
    Command,
    Connect,
    CreateBackup,
    Disconnect,
    ExportHistory,
    GenerateKeypair,
    GetCounters,
    GetHistory,
    GetLogs,
    GetTraffic,
    GetTrafficByName,
    Handler,
    ImportConfig,
    LeakTest,
    ListServers,
    MakeSupportFile,
    RemoveCustomServer,
    RestoreBackup,
    SelectProvider,
    SetDevicePolicy,
)
from app.protocol.events import DeviceChanged, ServersChanged
from app.providers.custom import parse_custom
from app.tunnel.machine import ExitMachine
from app.tunnel.states import Target, tunnels_of

if TYPE_CHECKING:
    from app.netd.core import Core

R = TypeVar("R")

MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
MAX_DEVICES = 1024

PLACE_ATTEMPTS = 3  # servers tried where a place was asked for


class Commands:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._bulks = Bulks(core, self._run)
        records, archive = core.records, core.archive
        self._handlers: dict[type[Command[Any]], Handler] = dict(
            (
                Connect.handled_by(self._connect),
                Disconnect.handled_by(self._disconnect),
                SelectProvider.handled_by(self._select_provider),
                ListServers.handled_by(self._list_servers),
                AddCustomServer.handled_by(self._add),
                ImportConfig.handled_by(self._import),
                RemoveCustomServer.handled_by(self._remove),
                GenerateKeypair.handled_by(self._generate_keypair),
                SetDevicePolicy.handled_by(self._policy),
                ChooseWan.handled_by(self._choose_wan),
                GetTraffic.handled_by(records.traffic),
                GetTrafficByName.handled_by(records.traffic_by_name),
                GetHistory.handled_by(records.history),
                ExportHistory.handled_by(records.history_table),
                GetCounters.handled_by(records.counters),
                CreateBackup.handled_by(archive.create),
                RestoreBackup.handled_by(archive.restore),
                LeakTest.handled_by(self._leak_test),
                GetLogs.handled_by(self._logs),
                MakeSupportFile.handled_by(Support(core).make),
                Bulk.handled_by(self._bulks.run),
                *Accounts(core).handlers(),
            )
        )

    async def run(self, command: Command[R]) -> R:
        """Carry out ``command``. Raises GatewayError; then nothing was changed."""
        if not command.during_bulk:
            self._bulks.check_free()
        return await self._run(command)

    async def _run(self, command: Command[R]) -> R:
        self._core.archive.check_open()
        return await self._handlers[type(command)](command)

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

    async def _disconnect(self, command: Disconnect) -> Done:
        core = self._core
        machine = core.exit(command.exit)
        await core.want(command.exit, None)
        await machine.disconnect()
        return Done("Disconnected - No internet (killswitch active)")

    async def _select_provider(self, command: SelectProvider) -> Done:
        core = self._core
        core.registry.get(command.provider)
        core.store.update_settings(lambda s: msgspec.structs.replace(s, provider=command.provider))
        core.events.publish(ServersChanged(command.provider))
        return Done()

    async def _list_servers(self, command: ListServers) -> ServerList:
        core = self._core
        chosen = command.provider or core.settings.provider
        return ServerList(chosen, await core.servers.listed(chosen, command.wanted, command.order, command.limit))

    async def _generate_keypair(self, _command: GenerateKeypair) -> Keypair:
        pair = keys.generate()
        return Keypair(pair.private_key.reveal(), pair.public_key)

    async def _import(self, command: ImportConfig) -> Done:
        return import_one(self._core, command)

    async def _choose_wan(self, command: ChooseWan) -> Done:
        await choose(self._core, command.port)
        return Done()

    async def _leak_test(self, command: LeakTest) -> LeakReport:
        return await leak_test(self._core, command.exit)

    async def _logs(self, command: GetLogs) -> LogLines:
        return BOOK.read(command.lines, command.after)

    async def _add(self, command: AddCustomServer) -> Done:
        core = self._core
        core.store.check_name_free(command.name.strip())
        stored, secrets = parse_custom(command, added=time.time(), lan=core.lan_networks)
        core.store.add_server(stored, secrets)
        core.events.publish(ServersChanged(stored.provider, added=stored.name))
        return Done(warnings=stored.warnings, public_key=stored.public_key)

    async def _remove(self, command: RemoveCustomServer) -> Done:
        core = self._core
        server = core.store.server(command.name)
        target = Target(server.provider, server.name)
        for machine in core.machines.values():
            if machine.goal == target or any(t.target == target for t in tunnels_of(machine.state)):
                raise ConflictError(
                    f'"{server.name}" is in use by exit {machine.name!r}; disconnect it first',
                    field="name",
                    code="in_use",
                )
        core.store.remove_server(command.name)
        core.events.publish(ServersChanged(server.provider, removed=server.name))
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
        core.events.publish(DeviceChanged(mac, "policy"))
        return Done()


def with_device(settings: Settings, mac: str, device: Device | None) -> Settings:
    """``settings`` in which ``device`` is all that there is about ``mac`` (pure)."""
    others = tuple(d for d in settings.devices if d.mac != mac)
    return msgspec.structs.replace(settings, devices=(*others, device) if device is not None else others)
