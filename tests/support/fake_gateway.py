"""An in-process ``Gateway`` for tests of the API alone: a state in memory, scripted failures, no network."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from app import serialization
from app.errors import ConflictError, GatewayError, InvalidFieldError, NotFoundError, UnavailableError
from app.filenames import numbered, server_name
from app.model import (
    Device,
    LanSettings,
    Lease,
    LinkProblem,
    NetworkPort,
    Server,
    ServerFilter,
    VpnPolicy,
    WanChoice,
    WanLink,
)
from app.netd.wan_port import resolve_wan_port
from app.network.roles import points_at
from app.protocol.answers import (
    Check,
    Done,
    Keypair,
    LeakReport,
    ListOffer,
    LogLine,
    LogLines,
    Opening,
    Outcome,
    Restored,
    ServerList,
)
from app.protocol.canary import CanaryStatus, Evidence, Observation, Proof, ProofProbe
from app.protocol.commands import (
    AddCustomServer,
    AdmitDevice,
    Bulk,
    ChangeDevice,
    ChangeExit,
    ChangePreferences,
    ChooseWan,
    Command,
    Connect,
    CreateBackup,
    Disconnect,
    ExportHistory,
    ForgetDevice,
    GenerateKeypair,
    GetCanary,
    GetCounters,
    GetDeviceHistory,
    GetHistory,
    GetLogs,
    GetProof,
    GetTraffic,
    GetTrafficByName,
    ImportConfig,
    LeakTest,
    ListServers,
    MakeExit,
    MakeSupportFile,
    OpenExits,
    RemoveCustomServer,
    RemoveExit,
    RestoreBackup,
    SelectProvider,
    SetOwner,
    StartProof,
)
from app.protocol.events import Event, GatewayEvent, ServersChanged, SettingsChanged, StatusChanged, TrafficRates
from app.protocol.status import Attestation, ExitState, ExitStatus, Snapshot
from app.providers.selection import choose, matching
from tests.support import fake_exits, fake_explanations, fake_policies
from tests.support.fake_accounts import FakeAccounts
from tests.support.fake_device_history import FakeDeviceHistory
from tests.support.fake_records import FakeRecords

R = TypeVar("R")

PROVIDERS = ("mullvad", "custom", "imported")


def server(hostname: str, provider: str, country: str, city: str, ipv4: str) -> Server:
    return Server(hostname, provider, country, city, ipv4, endpoint=f"{ipv4}:51820", location=f"{city}, {country}")


SERVERS = (
    server("se-sto-wg-001", "mullvad", "Sweden", "Stockholm", "192.0.2.1"),
    server("se-sto-wg-002", "mullvad", "Sweden", "Stockholm", "192.0.2.2"),
    server("se-got-wg-001", "mullvad", "Sweden", "Gothenburg", "192.0.2.3"),
    server("de-ber-wg-001", "mullvad", "Germany", "Berlin", "192.0.2.4"),
    server("vpn-se", "custom", "Sweden", "Stockholm", "198.51.100.1"),
    server("vpn-de", "custom", "Germany", "Berlin", "198.51.100.2"),
)

PORTS = (
    NetworkPort("eth0", "wan", "00:e0:4c:00:00:01", "r8152", "usb-1.1@0000:01:00.0", carrier=True),
    NetworkPort("eth1", "lan", "00:e0:4c:00:00:02", "r8152", "usb-1.2@0000:01:00.0", carrier=True),
    NetworkPort("radio0", "none", "dc:a6:32:00:00:03", "brcmfmac", radio=True),
)
DOWN = ExitStatus("default", ExitState.DISCONNECTED)


class FakeGateway:
    """Set ``failure`` to make every command fail, ``away`` to make netd unreachable, ``pause`` to make it slow."""

    def __init__(self) -> None:
        self.commands: list[Command[object]] = []
        self.failure: Exception | None = None
        self.opens: tuple[Opening, ...] = ()  # by the backups that are restored
        self.away = False
        self.pause = 0.0
        self.support_text = "VPN Gateway: support file\n"
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self.kept: list[Event] = []
        self.servers = list(SERVERS)
        self._imported: dict[str, str] = {}  # name -> configuration
        self.records = FakeRecords()
        self.device_history = FakeDeviceHistory()
        self.accounts = FakeAccounts()
        self.evidence: tuple[Evidence, ...] = (
            Evidence("name", 4, True, True, False),
            Evidence("http", 4, True, True, False),
            Evidence("stun", 6, False, False, False),
        )
        planned = Check("rules", "ok", "Firewall and routes are as planned.")
        self.leak_report = LeakReport(
            True, (planned,), (Evidence("tcp", 4, True, True, False),), "A report.\n", control=True
        )
        self.proof = Proof(
            "an-id",
            "watching",
            1.0,
            (
                ProofProbe("name", 4, "http://p0.proof.example/"),
                ProofProbe("http", 4, "http://192.0.2.101/"),
                ProofProbe("stun", 6, "stun:[2001:db8:6361:6e61::1]:3478"),
            ),
        )
        seen = Observation("default", "0a:76:67:63:61:00", 1_700_000_000.0, True, self.evidence, True)
        self.canary = CanaryStatus(True, 60.0, rounds=3, probes=54, latest=(seen,))
        self.explanations = fake_explanations.FakeExplanations()
        self.state = Snapshot(
            seq=100,
            version="0.1.0",
            provider="mullvad",
            exits=(DOWN,),
            attestation=Attestation(ok=True, checked=time.time()),
            wireguard="kernel",
            wan=WanLink(
                "eth0", up=True, addresses=(IPv4Interface("203.0.113.7/24"),), gateway4=IPv4Address("203.0.113.1")
            ),
            lan=LanSettings(),
            ports=PORTS,
            devices=(Device("02:00:00:00:00:01", VpnPolicy(), "Telly"),),
            leases=(Lease("02:00:00:00:00:02", "192.168.77.21", "phone", 0),),
            drops={"blocked": 11, "spoofed": 1},
            started=time.time(),
            events_after=100,
        )

    # --- Gateway -----------------------------------------------------------------------------------------------------

    async def snapshot(self) -> Snapshot:
        await self._reachable()
        return self.state

    async def providers(self) -> tuple[str, ...]:
        await self._reachable()
        return PROVIDERS

    async def subscribe(self, after: int | None = None) -> AsyncIterator[Event]:
        await self._reachable()
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in self.kept:
            if after is not None and event.seq > after:
                queue.put_nowait(event)
        self._listeners.add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._listeners.discard(queue)

    async def submit(self, command: Command[R]) -> R:
        answer = await self._answer(command)
        return serialization.decode(serialization.encode(answer), command.result_type())  # as it would arrive

    async def _answer(self, command: Command[Any]) -> Any:
        await self._reachable()
        serialization.encode(command)  # what the API hands over must be able to cross the socket
        self.commands.append(command)
        if self.pause:
            await asyncio.sleep(self.pause)
        if self.failure is not None:
            raise self.failure
        match command:
            case Connect():
                return self._connect(command)
            case Disconnect():
                self.set_exit(ExitStatus(command.exit, ExitState.DISCONNECTED))
                return Done()
            case SelectProvider(provider=name):
                self._known_provider(name)
                self.state = msgspec.structs.replace(self.state, provider=name)
                self.publish(ServersChanged(name))
                return Done()
            case ListServers(provider=name, wanted=wanted, limit=limit):
                chosen = name or self.state.provider
                self._known_provider(chosen)
                found = matching([s for s in self.servers if s.provider == chosen], wanted or ServerFilter())
                return ServerList(chosen, tuple(found[:limit]))
            case AddCustomServer():
                return self._add(command.name, "custom", command.endpoint)
            case ImportConfig():
                return self._import(command)
            case RemoveCustomServer(name=name):
                found = next((s for s in self.servers if s.hostname == name and s.provider != "mullvad"), None)
                if found is None:
                    raise NotFoundError(f"there is no server {name!r}", field="name")
                self.servers.remove(found)
                self.publish(ServersChanged(found.provider, removed=name))
                return Done()
            case GenerateKeypair():
                return Keypair("cHJpdmF0ZQ==", "cHVibGlj")
            case command if isinstance(command, fake_explanations.COMMANDS):
                return self.explanations.answer(command)
            case GetTraffic() | GetTrafficByName() | GetHistory() | ExportHistory() | GetCounters():
                return self.records.answer(command)
            case GetDeviceHistory(query=query):
                return self.device_history.page(query)
            case SetOwner():
                return Done()
            case CreateBackup():
                return b"age-encryption.org/v1\n..."
            case RestoreBackup(dry_run=dry_run):
                return Restored(
                    dry_run,
                    1_700_000_000.0,
                    "0.1.0",
                    1,
                    servers=2,
                    devices=1,
                    parts=("accounts.json",),
                    opens=self.opens,
                )
            case MakeExit() | ChangeExit() | RemoveExit():
                self.state, event = fake_exits.carry_out(self.state, command)
                self.publish(event)
                return Done()
            case ChangeDevice() | AdmitDevice() | ForgetDevice():
                return self._change_device(command)
            case one if isinstance(one, fake_policies.COMMANDS):
                answer, self.state = fake_policies.answer(one, self.state)
                return answer
            case ChooseWan(port=text):
                return self._choose_wan(text)
            case LeakTest(exit=name):
                if name != "default":
                    raise NotFoundError(f"there is no exit {name!r}", field="exit")
                return self.leak_report
            case GetLogs(lines=lines, after=after):
                wanted = [n for n in range(1, 4) if n > (after or 0)][:lines]
                return LogLines(tuple(LogLine(n, 1_700_000_000.0 + n, "INFO", "app", f"line {n}") for n in wanted), 3)
            case GetCanary():
                return self.canary
            case OpenExits():
                if self.canary.shut is None:
                    raise ConflictError("no leak has shut the exits", code="not_shut")
                self.canary = msgspec.structs.replace(self.canary, shut=None)
                return Done("The exits are open again; the canary goes on probing")
            case StartProof():
                return self.proof
            case GetProof(id=ident):
                if ident != self.proof.id:
                    raise NotFoundError("there is no such proof, or it is an old one", field="id")
                return msgspec.structs.replace(
                    self.proof, state="done", seconds=0.0, evidence=self.evidence, control=True
                )
            case MakeSupportFile():
                return self.support_text
            case Bulk(commands=commands, atomic=atomic):
                return await self._bulk(commands, atomic=atomic)
            case ChangePreferences(change=change):
                preferences = self.accounts.answer(command, self.state.provider, PROVIDERS)
                self.state = msgspec.structs.replace(self.state, host_names=self.accounts.preferences.host_names)
                self.publish(
                    SettingsChanged(
                        tuple(n for n, v in msgspec.structs.asdict(change).items() if v is not msgspec.UNSET)
                    )
                )
                return preferences
            case _:
                return self.accounts.answer(command, self.state.provider, PROVIDERS)

    # --- for tests ---------------------------------------------------------------------------------------------------

    def publish(self, event: GatewayEvent) -> None:
        self.state = msgspec.structs.replace(self.state, seq=self.state.seq + 1)
        numbered = Event(self.state.seq, time.time(), event)
        self.kept.append(numbered)
        for queue in self._listeners:
            queue.put_nowait(numbered)

    def tell_rates(self, rates: TrafficRates) -> None:
        """Publish rates as netd does: unnumbered, and not kept for replay."""
        for queue in self._listeners:
            queue.put_nowait(Event(self.state.seq, time.time(), rates))

    def set_exit(self, status: ExitStatus) -> None:
        exits = tuple(status if one.name == status.name else one for one in self.state.exits)
        self.state = msgspec.structs.replace(self.state, exits=exits)
        self.publish(StatusChanged(status.name))

    def go_away(self) -> None:
        self.away = True
        for queue in self._listeners:
            queue.put_nowait(None)

    # --- parts -------------------------------------------------------------------------------------------------------

    async def _reachable(self) -> None:
        if self.away:
            raise UnavailableError("the gateway's network service is not running; it stays blocked")

    async def _bulk(self, commands: tuple[Command[object], ...], *, atomic: bool) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        for number, command in enumerate(commands):
            try:
                found = await self.submit(command)
                outcomes.append(Outcome(200, done=found if isinstance(found, Done) else Done()))
            except GatewayError as error:
                if atomic:
                    where = f"operations[{number}]"
                    raise InvalidFieldError(f"{where}: {error.message}; nothing was changed", field=where) from None
                outcomes.append(Outcome(error.status, None, error.code, error.message, error.field))
        return tuple(outcomes)

    def _known_exit(self, name: str) -> None:
        if all(one.name != name for one in self.state.exits):
            raise NotFoundError(f"there is no exit {name!r}", field="exit")

    def _known_provider(self, name: str) -> None:
        if name not in PROVIDERS:
            raise NotFoundError(f"there is no provider {name!r}", field="provider")

    def _connect(self, command: Connect) -> Done:
        provider = command.provider or self.state.provider
        self._known_provider(provider)
        self._known_exit(command.exit)
        targets = {one.name: one.target for one in self.state.exit_settings}
        wanted = command.server or targets.get(command.exit)
        try:
            found = choose([s for s in self.servers if s.provider == provider], wanted or "")[0]
        except NotFoundError:
            raise NotFoundError(f"there is no server {command.server!r}", field="server") from None
        self.set_exit(
            ExitStatus(
                command.exit,
                ExitState.CONNECTED,
                asked=wanted,
                server=found.hostname,
                provider=found.provider,
                location=found.location,
                ip=found.ipv4,
                since=time.time(),
                uptime=0.4,
                interface="wg0a",
                latest_handshake=time.time(),
                rx_bytes=15_300,
                tx_bytes=4_200,
                ipv6=True,
            )
        )
        return Done()

    def lose_wan(self) -> None:
        """Set up two adapters without a choice of the WAN."""
        ports = tuple(msgspec.structs.replace(p, role="none") for p in self.state.ports)
        problem = LinkProblem("wan_unknown", "it is not known which port is the WAN")
        self.state = msgspec.structs.replace(self.state, wan=None, wan_problem=problem, ports=ports)
        self.publish(StatusChanged())

    def _change_device(self, command: ChangeDevice | AdmitDevice | ForgetDevice) -> Done:
        old = next((d for d in self.state.devices if d.mac == command.mac), None)
        others = tuple(d for d in self.state.devices if d.mac != command.mac)
        new = (msgspec.structs.replace(old or Device(command.mac, own=False)),)
        match command:
            case ForgetDevice():
                if old is None:
                    raise NotFoundError("There is no such device", field="mac")
                new = ()
            case AdmitDevice():
                new = (msgspec.structs.replace(new[0], admitted=True),)
            case ChangeDevice():
                given = {n: getattr(command, n) for n in ("name", "group", "address")}
                if given["address"] is not UNSET and given["address"] == self.state.lan.address.ip:
                    raise InvalidFieldError("address: it is the gateway's own", field="address")
                kept = {n: v or None for n, v in given.items() if v is not UNSET}
                new = (msgspec.structs.replace(new[0], **kept),)
        self.state = msgspec.structs.replace(self.state, devices=(*others, *new))
        return Done()

    def _choose_wan(self, text: str | None) -> Done:
        if text is None:
            self.state = msgspec.structs.replace(self.state, wan_choice=WanChoice())
            self.lose_wan()
            return Done()
        port = resolve_wan_port(text, self.state.ports, None)
        ports = tuple(
            msgspec.structs.replace(p, role="none" if p.radio else "wan" if points_at(text, p) else "lan")
            for p in self.state.ports
        )
        wan = WanLink(next(p.name for p in ports if p.role == "wan"), up=True)
        self.state = msgspec.structs.replace(
            self.state, wan=wan, wan_problem=None, ports=ports, wan_choice=WanChoice(port)
        )
        self.publish(StatusChanged())
        return Done()

    def _import(self, command: ImportConfig) -> Done:
        if "[Interface]" not in command.config:
            raise InvalidFieldError("config: line 1: expected [Interface]", field="config")
        if command.dry_run:
            hooks = [line for line in command.config.splitlines() if line.startswith("PostUp")]
            name, _ = self._name_for(command)
            return Done(warnings=tuple(f"{line}: never run" for line in hooks), server=name)
        done = self._imported_as(command)
        if ".mullvad.net" not in command.config:
            return done
        self.accounts.key_files = (*self.accounts.key_files, done.server or command.name)
        offer = ListOffer("mullvad", "Mullvad", done.server or command.name, 4, listed=True)
        return msgspec.structs.replace(done, opens=offer)

    def _name_for(self, command: ImportConfig) -> tuple[str, bool]:
        """The name that its server gets, and whether that server is there already."""
        if not command.from_file:
            self._check_name(command.name)
            return command.name, False
        name = chosen = server_name(command.name)
        number = 1
        while any(s.hostname == name for s in self.servers):
            if self._imported.get(name) == command.config:
                return name, True
            number += 1
            name = numbered(chosen, number)
        return name, False

    def _imported_as(self, command: ImportConfig) -> Done:
        name, known = self._name_for(command)
        if known:
            return Done(warnings=(f'it is there already, as "{name}"',), server=name)
        if not command.from_file:
            return self._add(name, "imported", "192.0.2.99:51820")
        self._imported[name] = command.config
        self.servers.append(Server(name, "imported", endpoint="192.0.2.99:51820"))
        self.publish(ServersChanged("imported", added=name))
        return Done(public_key="b3VycyBpcyBoZXJlIQ==", server=name)

    def _check_name(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
            raise InvalidFieldError("name: letters, digits, dot, dash and underscore", field="name")
        if any(s.hostname == name for s in self.servers):
            raise ConflictError(f"the name {name!r} is in use", field="name", code="name_in_use")

    def _add(self, name: str, provider: str, endpoint: str) -> Done:
        self._check_name(name)
        self.servers.append(Server(name, provider, endpoint=endpoint))
        self.publish(ServersChanged(provider, added=name))
        return Done(public_key="b3VycyBpcyBoZXJlIQ==")
