"""The commands: a closed set, each with the type of its answer; netd acts on commands alone.

Keys cross the process boundary only in the answer to GenerateKeypair and in commands that hold what people enter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar, Union, get_args

from msgspec import Struct

from app.model import DEFAULT_EXIT, Policy, ProviderSettings, ServerFilter
from app.protocol.accounts import AccountStatus, ListStatus, ProviderDevice, ProviderInfo
from app.protocol.answers import (
    Counters,
    Done,
    HistoryTable,
    Keypair,
    LeakReport,
    LogLines,
    Outcome,
    Restored,
    ServerList,
    TrafficByName,
    TrafficSeries,
)
from app.protocol.preferences import Preferences, PreferencesChange
from app.protocol.statistics import HistoryPage, HistoryQuery, Kind, TrafficQuery

R_co = TypeVar("R_co", covariant=True)

Handler = Callable[[Any], Awaitable[Any]]
HandlerEntry = tuple["type[Command[Any]]", Handler]  # of a table, made by :meth:`Command.handled_by`


class Command(Struct, Generic[R_co], frozen=True):
    """A command whose answer is an ``R_co``; where it raises a :class:`app.errors.GatewayError`, nothing changes."""

    during_bulk: ClassVar[bool] = False  # does not wait for an atomic bulk request: it only reads, or stops everything
    in_bulk: ClassVar[bool] = False  # a bulk request may hold it

    @classmethod
    def result_type(cls) -> Any:
        """The type of the answer, as it is decoded at the other end of the socket."""
        (base,) = cls.__dict__["__orig_bases__"]
        return get_args(base)[0]

    @classmethod
    def handled_by(cls, handler: Callable[[Self], Awaitable[R_co]]) -> HandlerEntry:
        """An entry of a table of handlers: the command and its handler, whose types are checked against each other."""
        return cls, handler


class Connect(Command[Done], frozen=True, tag="connect"):
    """Bring ``exit`` up on ``server`` of the current provider; returns once a handshake has completed.

    ``server`` is a host name, a city, a country, ``fastest`` or ``random``; the last two also as ``fastest:Sweden``.

    Raises NotFoundError (no such server), ConflictError (incomplete), ConnectTimeoutError (cause in the message).
    """

    in_bulk = True

    server: str
    exit: str = DEFAULT_EXIT
    provider: str | None = None


class Disconnect(Command[Done], frozen=True, tag="disconnect"):
    """Take ``exit`` down; its devices are blocked from then on. Idempotent."""

    during_bulk = True
    in_bulk = True

    exit: str = DEFAULT_EXIT


class SelectProvider(Command[Done], frozen=True, tag="select_provider"):
    """Make ``provider`` the current one; a running tunnel is left alone. Raises NotFoundError."""

    in_bulk = True

    provider: str


class ListServers(Command[ServerList], frozen=True, tag="list_servers"):
    """The servers of ``provider`` (None = the current one) that ``wanted`` lets through, by ``order``."""

    during_bulk = True

    provider: str | None = None
    wanted: ServerFilter | None = None
    order: Literal["name", "latency", "load", "recent"] = "name"
    limit: int | None = None


class AddCustomServer(Command[Done], frozen=True, tag="add_custom_server"):
    """Add a server from its parts, fields as in the API contract (docs/api.md), unparsed.

    Raises InvalidFieldError (names the field), ConflictError (name in use).
    """

    in_bulk = True

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


class RemoveCustomServer(Command[Done], frozen=True, tag="remove_custom_server"):
    """Remove a custom or imported server and its keys. Raises NotFoundError, ConflictError (in use)."""

    in_bulk = True

    name: str


class ImportConfig(Command[Done], frozen=True, tag="import_config"):
    """Import a .conf; hooks are never run. Raises InvalidFieldError with line, key and reason, ConflictError."""

    in_bulk = True

    name: str
    config: str
    from_file: bool = False  # ``name`` is a file's: it is made to fit, and returned as ``Done.server``

    def __repr__(self) -> str:
        return f"ImportConfig({self.name!r})"  # never the keys


class GenerateKeypair(Command[Keypair], frozen=True, tag="generate_keypair"):
    """A fresh Curve25519 pair (RFC 7748), not stored anywhere."""

    during_bulk = True


class SetDevicePolicy(Command[Done], frozen=True, tag="set_device_policy"):
    """Give a device a policy of its own. Raises InvalidFieldError (bad MAC), NotFoundError (no such exit)."""

    in_bulk = True

    mac: str
    policy: Policy
    name: str | None = None


class ChooseWan(Command[Done], frozen=True, tag="choose_wan"):
    """Make ``port``, in a form of app.portname, the WAN; None = the one detected from what is plugged in.

    Raises InvalidFieldError (no such port, or none that can be the WAN), ConflictError (``wan_fixed``: gateway.toml
    says which one it is; ``only_port``, ``lan_port``: the LAN would have none), KernelError. Then nothing has changed.
    """

    port: str | None


class DescribeProvider(Command[ProviderInfo], frozen=True, tag="describe_provider"):
    """Get all that is known of ``provider``. Raises NotFoundError."""

    during_bulk = True

    provider: str


class SignIn(Command[AccountStatus], frozen=True, tag="sign_in"):
    """Register this gateway with the account. On failure nothing has changed.

    Raises InvalidFieldError (names the form's field), ConflictError (``too_many_devices``, ``account_expired``, ...),
    UnavailableError (``provider_unavailable``).
    """

    provider: str
    credentials: dict[str, str]

    def __repr__(self) -> str:
        return f"SignIn({self.provider!r}, ***)"


class SignOut(Command[Done], frozen=True, tag="sign_out"):
    """Disconnect what uses the account; remove device and key there and here. ``warnings`` name what is left."""

    provider: str


class GetAccount(Command[AccountStatus], frozen=True, tag="get_account"):
    """Get the state of the account; with ``refresh``, after asking the provider."""

    during_bulk = True

    provider: str
    refresh: bool = False


class ListProviderDevices(Command[tuple[ProviderDevice, ...]], frozen=True, tag="list_provider_devices"):
    """The account's devices, as the provider has them."""

    during_bulk = True

    provider: str


class RemoveProviderDevice(Command[Done], frozen=True, tag="remove_provider_device"):
    provider: str
    device: str


class RefreshServers(Command[ListStatus], frozen=True, tag="refresh_servers"):
    """Fetch the provider's server list. On failure the last good one stays."""

    provider: str


class RotateKey(Command[AccountStatus], frozen=True, tag="rotate_key"):
    """Register a fresh key and move the tunnel over to it, make before break."""

    provider: str


class ConfigureProvider(Command[Done], frozen=True, tag="configure_provider"):
    """Change how to connect through ``provider``, from the next connection on. Raises InvalidFieldError."""

    provider: str
    settings: ProviderSettings


class SetFavourite(Command[Done], frozen=True, tag="set_favourite"):
    """Mark or unmark a favourite. Raises NotFoundError (no such server), ConflictError (``too_many``). Idempotent."""

    in_bulk = True

    provider: str
    server: str
    favourite: bool


class GetPreferences(Command[Preferences], frozen=True, tag="get_preferences"):
    """The settings that people change while the gateway runs."""

    during_bulk = True


class ChangePreferences(Command[Preferences], frozen=True, tag="change_preferences"):
    """Change the settings that ``change`` names. Raises InvalidFieldError."""

    in_bulk = True

    change: PreferencesChange


class GetTraffic(Command[TrafficSeries], frozen=True, tag="get_traffic"):
    """Bytes over time. Raises UnavailableError (``storage``)."""

    during_bulk = True

    query: TrafficQuery


class GetTrafficByName(Command[TrafficByName], frozen=True, tag="get_traffic_by_name"):
    """Sums over ``query``'s range, whatever its subject. Raises UnavailableError (``storage``)."""

    during_bulk = True

    kind: Kind
    query: TrafficQuery


class GetHistory(Command[HistoryPage], frozen=True, tag="get_history"):
    """One page of the exits' transitions. Raises InvalidFieldError (``limit``), UnavailableError (``storage``)."""

    during_bulk = True

    query: HistoryQuery


class ExportHistory(Command[HistoryTable], frozen=True, tag="export_history"):
    """A page of 1000 as CSV, whatever ``query``'s limit; the first has a header. Raises UnavailableError."""

    during_bulk = True

    query: HistoryQuery


class GetCounters(Command[Counters], frozen=True, tag="get_counters"):
    """Counters that only grow, for metrics."""

    during_bulk = True


class CreateBackup(Command[bytes], frozen=True, tag="create_backup"):
    """Back up everything that cannot be regenerated, encrypted.

    Raises InvalidFieldError (``passphrase``), ConflictError (``busy``).
    """

    passphrase: str

    def __repr__(self) -> str:
        return "CreateBackup(***)"


class RestoreBackup(Command[Restored], frozen=True, tag="restore_backup"):
    """Replace everything by ``backup`` and restart netd; with ``dry_run`` only check that this could be done.

    Raises InvalidFieldError (``passphrase``: wrong; ``backup``: damaged, newer or not valid), TooLargeError,
    ConflictError (``busy``), UnavailableError (``storage``).
    """

    backup: bytes
    passphrase: str
    dry_run: bool = False

    def __repr__(self) -> str:
        return f"RestoreBackup({len(self.backup)} bytes, ***, dry_run={self.dry_run})"


class LeakTest(Command[LeakReport], frozen=True, tag="leak_test"):
    """Test whether anything could leave in the clear; changes nothing. Raises NotFoundError (no such exit)."""

    during_bulk = True

    exit: str = DEFAULT_EXIT


class GetLogs(Command[LogLines], frozen=True, tag="get_logs"):
    """The last ``lines`` of netd's log, or the first so many after number ``after``."""

    during_bulk = True

    lines: int = 100
    after: int | None = None


class MakeSupportFile(Command[str], frozen=True, tag="make_support_file"):
    """Make a text of everything that helps to find a fault, without secrets and public addresses. Changes nothing.

    Raises TooManyRequestsError (``busy``) while one is being made.
    """

    during_bulk = True


def _union(commands: list[type[Command[Any]]]) -> Any:
    return Union[tuple(commands)]  # noqa: UP007 - made of a list


# msgspec chooses among the classes by their tags; for a type checker their common base is enough.
if TYPE_CHECKING:
    BulkCommand = Command[object]
else:
    BulkCommand = _union([c for c in Command.__subclasses__() if c.in_bulk])


class Bulk(Command[tuple[Outcome, ...]], frozen=True, tag="bulk"):
    """Carry out ``commands`` in their order: ``atomic``, all or none; else each on its own.

    While an atomic request runs, nothing else changes the gateway. Where a command fails, those before it are undone,
    and its error is raised with ``operations[N]`` before the field. Raises ConflictError (``busy``) while another one
    is under way.
    """

    commands: tuple[BulkCommand, ...]
    atomic: bool = True


if TYPE_CHECKING:
    AnyCommand = Command[object]
else:
    AnyCommand = _union(Command.__subclasses__())
