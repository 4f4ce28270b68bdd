"""The protocol between those who drive the gateway (web, command line, tests) and netd, who is it.

A closed set of typed commands, a snapshot, an event stream: nothing else crosses the process boundary, and no key does
except in the one answer that makes a key pair. :mod:`app.ipc` carries it over a Unix socket; netd implements it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

from msgspec import Struct

from app.model import DEFAULT_EXIT, Policy, ProviderSettings, Server, ServerFilter
from app.protocol.accounts import AccountStatus, ListStatus, ProviderDevice, ProviderInfo
from app.protocol.events import Event
from app.protocol.preferences import Preferences, PreferencesChange
from app.protocol.statistics import Bytes, HistoryPage, HistoryQuery, Kind, Series, TrafficQuery
from app.protocol.status import Snapshot


class Connect(Struct, frozen=True, tag="connect"):
    """Bring ``exit`` up on ``server`` of the current provider; returns once a handshake has completed.

    ``server`` is a host name, a city, a country, ``fastest`` or ``random``, these two also as ``fastest:Sweden``.

    Raises NotFoundError (no such server), ConflictError (incomplete), ConnectTimeoutError (cause in the message).
    """

    server: str
    exit: str = DEFAULT_EXIT
    provider: str | None = None


class Disconnect(Struct, frozen=True, tag="disconnect"):
    """Take ``exit`` down; its devices are blocked from then on. Idempotent."""

    exit: str = DEFAULT_EXIT


class SelectProvider(Struct, frozen=True, tag="select_provider"):
    """Make ``provider`` the current one; a running tunnel is left alone. Raises NotFoundError."""

    provider: str


class ListServers(Struct, frozen=True, tag="list_servers"):
    """The servers of ``provider`` (None = the current one) that ``wanted`` lets through, by ``order``."""

    provider: str | None = None
    wanted: ServerFilter | None = None
    order: Literal["name", "latency", "load", "recent"] = "name"
    limit: int | None = None


class AddCustomServer(Struct, frozen=True, tag="add_custom_server"):
    """Fields as in the reference, unparsed. Raises InvalidFieldError (names the field), ConflictError (name in use)."""

    name: str
    endpoint: str
    public_key: str
    private_key: str | None = None
    address: str | None = None
    dns: str | None = None
    allowed_ips: str | None = None
    location: str | None = None
    preshared_key: str | None = None
    mtu: int | None = None
    persistent_keepalive: int | None = None

    def __repr__(self) -> str:
        return f"AddCustomServer({self.name!r})"  # never the keys


class RemoveCustomServer(Struct, frozen=True, tag="remove_custom_server"):
    """Remove a custom or imported server and its keys. Raises NotFoundError, ConflictError (in use)."""

    name: str


class ImportConfig(Struct, frozen=True, tag="import_config"):
    """Import a .conf; hooks are never run. Raises InvalidFieldError with line, key and reason, ConflictError."""

    name: str
    config: str
    from_file: bool = False  # ``name`` is a file's: it is made to fit, and told as ``Done.server``

    def __repr__(self) -> str:
        return f"ImportConfig({self.name!r})"  # never the keys


class GenerateKeypair(Struct, frozen=True, tag="generate_keypair"):
    """A fresh Curve25519 pair (RFC 7748), not stored anywhere."""


class SetDevicePolicy(Struct, frozen=True, tag="set_device_policy"):
    """Raises InvalidFieldError (bad MAC), NotFoundError (no such exit)."""

    mac: str
    policy: Policy
    name: str | None = None


class ChooseWan(Struct, frozen=True, tag="choose_wan"):
    """Make ``port``, in a form of app.portname, the WAN; None = the one found by what is plugged in.

    Raises InvalidFieldError (no such port, or none that can be the WAN), ConflictError (``wan_fixed``: gateway.toml
    says which one it is; ``only_port``, ``lan_port``: the LAN would have none), KernelError. Then nothing has changed.
    """

    port: str | None


class DescribeProvider(Struct, frozen=True, tag="describe_provider"):
    """Raises NotFoundError."""

    provider: str


class SignIn(Struct, frozen=True, tag="sign_in"):
    """Register this gateway with the account. On failure nothing has changed.

    Raises InvalidFieldError (names the form's field), ConflictError (``too_many_devices``, ``account_expired``, ...),
    UnavailableError (``provider_unavailable``).
    """

    provider: str
    credentials: dict[str, str]

    def __repr__(self) -> str:
        return f"SignIn({self.provider!r}, ***)"


class SignOut(Struct, frozen=True, tag="sign_out"):
    """Disconnect what uses the account; remove device and key there and here. ``warnings`` tell what could not be."""

    provider: str


class GetAccount(Struct, frozen=True, tag="get_account"):
    """With ``refresh`` the provider is asked first."""

    provider: str
    refresh: bool = False


class ListProviderDevices(Struct, frozen=True, tag="list_provider_devices"):
    """The account's devices, as the provider has them."""

    provider: str


class RemoveProviderDevice(Struct, frozen=True, tag="remove_provider_device"):
    provider: str
    device: str


class RefreshServers(Struct, frozen=True, tag="refresh_servers"):
    """Fetch the provider's server list. On failure the last good one stays."""

    provider: str


class RotateKey(Struct, frozen=True, tag="rotate_key"):
    """Register a fresh key and move the tunnel over to it, make before break."""

    provider: str


class ConfigureProvider(Struct, frozen=True, tag="configure_provider"):
    """Raises InvalidFieldError for what the provider does not have. Takes effect at the next connection."""

    provider: str
    settings: ProviderSettings


class SetFavourite(Struct, frozen=True, tag="set_favourite"):
    """Raises NotFoundError (no such server), ConflictError (``too_many``). Idempotent."""

    provider: str
    server: str
    favourite: bool


class GetPreferences(Struct, frozen=True, tag="get_preferences"):
    """The settings that people change while the gateway runs."""


class ChangePreferences(Struct, frozen=True, tag="change_preferences"):
    """Raises InvalidFieldError."""

    change: PreferencesChange


BulkCommand = (
    Connect
    | Disconnect
    | SelectProvider
    | AddCustomServer
    | RemoveCustomServer
    | ImportConfig
    | SetDevicePolicy
    | SetFavourite
    | ChangePreferences
)


class Bulk(Struct, frozen=True, tag="bulk"):
    """Carry out ``commands`` in their order: ``atomic``, all or none; else each on its own.

    Atomic, nothing else changes the gateway meanwhile. Where one fails, what was done before it is undone, and its
    error is raised with ``operations[N]`` before the field. Raises ConflictError (``busy``) while another one is
    under way.
    """

    commands: tuple[BulkCommand, ...]
    atomic: bool = True


class GetTraffic(Struct, frozen=True, tag="get_traffic"):
    """Bytes over time. Raises UnavailableError (``storage``)."""

    query: TrafficQuery


class GetTrafficByName(Struct, frozen=True, tag="get_traffic_by_name"):
    """Sums over ``query``'s range, whatever its subject. Raises UnavailableError (``storage``)."""

    kind: Kind
    query: TrafficQuery


class GetHistory(Struct, frozen=True, tag="get_history"):
    """One page of the exits' transitions. Raises InvalidFieldError (``limit``), UnavailableError (``storage``)."""

    query: HistoryQuery


class ExportHistory(Struct, frozen=True, tag="export_history"):
    """A page of 1000 as CSV, whatever ``query``'s limit; the first has a header. Raises UnavailableError."""

    query: HistoryQuery


class GetCounters(Struct, frozen=True, tag="get_counters"):
    """What only ever grows, for metrics."""


class CreateBackup(Struct, frozen=True, tag="create_backup"):
    """Everything the gateway cannot make again, encrypted. Raises InvalidFieldError (``passphrase``), ConflictError."""

    passphrase: str

    def __repr__(self) -> str:
        return "CreateBackup(***)"


class RestoreBackup(Struct, frozen=True, tag="restore_backup"):
    """Replace everything by ``backup`` and restart netd; with ``dry_run`` only check that this could be done.

    Raises InvalidFieldError (``passphrase``: wrong; ``backup``: damaged, newer or not valid), TooLargeError,
    ConflictError (``busy``), UnavailableError (``storage``).
    """

    backup: bytes
    passphrase: str
    dry_run: bool = False

    def __repr__(self) -> str:
        return f"RestoreBackup({len(self.backup)} bytes, ***, dry_run={self.dry_run})"


class LeakTest(Struct, frozen=True, tag="leak_test"):
    """Look whether anything could leave in the clear; changes nothing. Raises NotFoundError (no such exit)."""

    exit: str = DEFAULT_EXIT


class GetLogs(Struct, frozen=True, tag="get_logs"):
    """The last ``lines`` of netd's log, or the first so many after number ``after``."""

    lines: int = 100
    after: int | None = None


class MakeSupportFile(Struct, frozen=True, tag="make_support_file"):
    """Everything that helps to find a fault, as text; no secret and no public address is in it. Changes nothing.

    Raises TooManyRequestsError (``busy``) while one is being made.
    """


# About providers, the accounts there, and preferences.
AccountCommand = (
    DescribeProvider
    | SignIn
    | SignOut
    | GetAccount
    | ListProviderDevices
    | RemoveProviderDevice
    | RefreshServers
    | RotateKey
    | ConfigureProvider
    | SetFavourite
    | GetPreferences
    | ChangePreferences
)

Command = (
    Connect
    | Disconnect
    | SelectProvider
    | ListServers
    | AddCustomServer
    | RemoveCustomServer
    | ImportConfig
    | GenerateKeypair
    | SetDevicePolicy
    | GetTraffic
    | GetTrafficByName
    | GetHistory
    | ExportHistory
    | GetCounters
    | CreateBackup
    | RestoreBackup
    | AccountCommand
    | Bulk
    | ChooseWan
    | LeakTest
    | GetLogs
    | MakeSupportFile
)


class Done(Struct, frozen=True, tag="done"):
    message: str | None = None
    warnings: tuple[str, ...] = ()
    public_key: str | None = None  # ours, where a command made or derived one
    server: str | None = None  # what was chosen where a place was asked for, or what a file's server is called


class ServerList(Struct, frozen=True, tag="server_list"):
    provider: str
    servers: tuple[Server, ...]


class Keypair(Struct, frozen=True, tag="keypair"):
    """The only answer that holds a private key; it is made for the caller and forgotten."""

    private_key: str
    public_key: str

    def __repr__(self) -> str:
        return f"Keypair(***, {self.public_key!r})"


class Outcome(Struct, frozen=True):
    """Of one command among many: what it answered, or its error."""

    status: int  # as HTTP has it
    done: Done | None = None
    code: str | None = None
    message: str | None = None
    field: str | None = None


class Outcomes(Struct, frozen=True, tag="outcomes"):
    outcomes: tuple[Outcome, ...]  # one for each command, in their order


class ProviderAnswer(Struct, frozen=True, tag="provider"):
    provider: ProviderInfo


class AccountAnswer(Struct, frozen=True, tag="account"):
    status: AccountStatus


class ProviderDevices(Struct, frozen=True, tag="provider_devices"):
    devices: tuple[ProviderDevice, ...]


class ListAnswer(Struct, frozen=True, tag="list_status"):
    list: ListStatus


class PreferencesAnswer(Struct, frozen=True, tag="preferences"):
    preferences: Preferences


class TrafficSeries(Struct, frozen=True, tag="traffic_series"):
    series: Series
    rate: Bytes  # a second, just now


class TrafficByName(Struct, frozen=True, tag="traffic_by_name"):
    sums: dict[str, Bytes]
    rates: dict[str, Bytes]  # a second, just now; only what moves


class HistoryRecords(Struct, frozen=True, tag="history_records"):
    page: HistoryPage


class HistoryTable(Struct, frozen=True, tag="history_table"):
    csv: str
    next: int | None  # the ``before`` of the next page


class ProcessUse(Struct, frozen=True):
    started: float  # Unix time
    cpu: float  # seconds
    resident: int  # bytes
    descriptors: int


class Counters(Struct, frozen=True, tag="counters"):
    """Bytes since the gateway was first started, by name; ``netd`` is netd's own process.

    ``contacts`` are exchanges with providers since netd's start, by way: ``tunnel``, or ``clear`` over the WAN.
    """

    total: Bytes
    devices: dict[str, Bytes]
    exits: dict[str, Bytes]
    netd: ProcessUse
    contacts: dict[str, int] = {}


class BackupFile(Struct, frozen=True, tag="backup_file"):
    data: bytes


class Restored(Struct, frozen=True, tag="restored"):
    """What the backup holds. Without ``dry_run`` it is on disk, and netd is about to restart with it."""

    dry_run: bool
    created: float  # Unix time
    application: str  # the version that made it
    version: int  # of its format
    servers: int
    devices: int
    parts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


Verdict = Literal["ok", "failed", "unknown"]


class Check(Struct, frozen=True):
    name: str
    result: Verdict
    message: str  # a sentence for people


class LeakReport(Struct, frozen=True, tag="leak_report"):
    ok: bool  # no check failed
    checks: tuple[Check, ...]


class LogLine(Struct, frozen=True):
    number: int
    time: float  # Unix time
    level: str
    logger: str
    message: str


class LogLines(Struct, frozen=True, tag="log_lines"):
    """The oldest first; ``last`` is what to ask for lines ``after``."""

    lines: tuple[LogLine, ...]
    last: int


class SupportFile(Struct, frozen=True, tag="support_file"):
    text: str


Result = (
    Done
    | ServerList
    | Keypair
    | TrafficSeries
    | TrafficByName
    | HistoryRecords
    | HistoryTable
    | BackupFile
    | Restored
    | Counters
    | ProviderAnswer
    | AccountAnswer
    | ProviderDevices
    | ListAnswer
    | PreferencesAnswer
    | Outcomes
    | LeakReport
    | LogLines
    | SupportFile
)


class Gateway(Protocol):
    async def snapshot(self) -> Snapshot: ...

    def subscribe(self, after: int | None = None) -> AsyncIterator[Event]:
        """Events from now on, or those after sequence number ``after`` that are still kept, then live ones."""
        ...

    async def submit(self, command: Command) -> Result:
        """Carry out ``command``. Raises a :class:`app.errors.GatewayError`; then nothing was changed."""
        ...

    async def providers(self) -> tuple[str, ...]: ...
