"""Value types shared by every layer: frozen, without I/O, encodable by :mod:`app.serialization`.

Units: seconds, bytes and Unix time stamps (UTC) throughout. Keys are base64 as in wg(8).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from app.addresses import Address, Interface, Network

DEFAULT_EXIT = "default"


class Secret:
    """A string that is not shown by accident: repr, str and format give ``***``; :meth:`reveal` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


# --- WireGuard -------------------------------------------------------------------------------------------------------


class Endpoint(Struct, frozen=True):
    """A peer's address: ``host`` is an address literal (IPv6 without brackets, a zone kept) or a DNS name."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Peer(Struct, frozen=True):
    public_key: str
    endpoint: Endpoint | None = None
    allowed_ips: tuple[Network, ...] = ()
    persistent_keepalive: int = 0  # seconds, 0 = off
    preshared_key: Secret | None = None


class KeyExchange(Struct, frozen=True):
    """The service inside a tunnel that gives it a post-quantum preshared key (see :mod:`app.ephemeral_peer`)."""

    address: Address
    port: int
    required: bool = False  # without the exchange the tunnel is not used


class TunnelConfig(Struct, frozen=True):
    """Everything that brings a tunnel up, with the private key; it never leaves netd."""

    private_key: Secret
    addresses: tuple[Interface, ...]
    peers: tuple[Peer, ...]
    dns: tuple[Address, ...] = ()
    mtu: int | None = None  # bytes; None = the route's MTU less 80
    listen_port: int | None = None
    key_exchange: KeyExchange | None = None  # wanted after the first handshake


# --- Servers ---------------------------------------------------------------------------------------------------------


class Server(Struct, frozen=True):
    """A server as clients see it. ``hostname`` is what ``connect`` takes, and unique within its provider."""

    hostname: str
    provider: str
    country: str = "Unknown"
    city: str = "Unknown"
    ipv4: str | None = None  # the endpoint's address, or None while it is a name not yet resolved
    ipv6: str | None = None
    endpoint: str | None = None  # "host:port" as given
    location: str = "Unknown"  # "City, Country" where both are known
    missing: tuple[str, ...] = ()  # fields that are needed to connect to it
    warnings: tuple[str, ...] = ()
    # From the provider's list, or measured or set on this gateway; None = unknown:
    country_code: str | None = None  # ISO 3166-1 alpha-2, lower case
    load: float | None = None  # percent of its capacity
    owned: bool | None = None  # the machine is the provider's own, not rented
    hosted_by: str | None = None
    features: tuple[str, ...] = ()  # such as "ipv6", "multihop", "daita", "p2p"
    latitude: float | None = None  # degrees
    longitude: float | None = None
    latency: float | None = None  # milliseconds, measured by this gateway
    favourite: bool = False


class ServerFilter(Struct, frozen=True):
    """The filter of a list of servers; None and empty = everything. Text is compared without case and accents."""

    country: str | None = None  # name or code
    city: str | None = None
    search: str | None = None  # every word is in the name, the city, the country or the host
    features: tuple[str, ...] = ()  # all of them
    owned: bool | None = None
    favourite: bool | None = None
    max_latency: float | None = None  # milliseconds; a server not measured is left out


class StoredServer(Struct, frozen=True):
    """A custom or imported server as it is kept on disk, without its secrets (see :class:`ServerSecrets`)."""

    name: str
    provider: str  # "custom" | "imported"
    peers: tuple[Peer, ...]  # preshared keys removed
    addresses: tuple[Interface, ...] = ()
    dns: tuple[Address, ...] = ()
    mtu: int | None = None
    listen_port: int | None = None
    public_key: str | None = None  # this gateway's, derived from the private key
    location: str | None = None
    added: float = 0.0
    warnings: tuple[str, ...] = ()
    service: str | None = None  # the likely provider, such as "Proton VPN"
    unproven: bool = False  # no server has answered its key yet; False too where an older version stored it


class ServerSecrets(Struct, frozen=True):
    private_key: Secret
    preshared_keys: dict[str, Secret] = field(default_factory=dict)  # by the peer's public key


# --- Devices and their policies --------------------------------------------------------------------------------------


class VpnPolicy(Struct, frozen=True, tag="vpn"):
    """The device's traffic leaves by the tunnel of ``exit``, or is blocked."""

    exit: str = DEFAULT_EXIT


class DirectPolicy(Struct, frozen=True, tag="direct"):
    """The device's traffic leaves by the WAN in the clear: the user's explicit exception for one device."""


class BlockedPolicy(Struct, frozen=True, tag="blocked"):
    """The device has no Internet; the LAN and the gateway's own services stay reachable."""


Policy = VpnPolicy | DirectPolicy | BlockedPolicy


class WaitingPolicy(Struct, frozen=True, tag="waiting"):
    """The device is new and waits for its admission: it reaches the gateway's own name and page. Nobody can set it."""


class ScheduleEntry(Struct, frozen=True):
    """A policy at certain times of the week, in the gateway's time zone; ``end`` <= ``start`` = until the next day."""

    days: frozenset[Annotated[int, Meta(ge=0, le=6)]]  # 0 = Monday; those on which it starts
    start: Annotated[int, Meta(ge=0, le=1439)]  # minutes after midnight
    end: Annotated[int, Meta(ge=0, le=1439)]
    policy: Policy


class Group(Struct, frozen=True):
    """Devices that share a policy, where they have none of their own."""

    name: str
    policy: Policy | None = None  # None = the default policy
    schedule: tuple[ScheduleEntry, ...] = ()  # the first that holds counts


class Device(Struct, frozen=True):
    """A LAN device about which people decided something, known by its MAC address (lower case, colons)."""

    mac: str
    policy: Policy = VpnPolicy()
    name: str | None = None
    group: str | None = None
    address: IPv4Address | None = None  # that DHCP gives to it and to no other device
    first_seen: float | None = None  # Unix time
    admitted: bool = True  # False = it waits
    own: bool = True  # False = it follows its group, or the default
    schedule: tuple[ScheduleEntry, ...] = ()


class PolicyException(Struct, frozen=True):
    """A policy for a while: of the device ``mac``, or of all devices of ``group``. It ends with the boot at last."""

    id: int
    slot: int  # its number among those that are open, which its packets and connections carry
    policy: Policy
    started: float  # Unix time
    until: float  # Unix time, by the clock as it is now
    deadline: float  # the same in CLOCK_BOOTTIME, which counts
    by: str  # who asked for it
    mac: str | None = None
    group: str | None = None
    reason: str | None = None


class SelfService(Struct, frozen=True):
    """What a device may decide for itself, without the admin's password (:mod:`app.self_service`)."""

    allow: Literal["off", "pause", "exit", "all"] = "off"  # all: both
    exits: tuple[str, ...] | None = None  # the ones that it may choose; None = any
    longest_pause: Annotated[int, Meta(ge=60, le=86400)] = 1800  # seconds


class Lease(Struct, frozen=True):
    mac: str
    address: str
    hostname: str | None
    expires: float  # Unix time; 0 = never


class Neighbour(Struct, frozen=True):
    """An address that a device of the LAN uses, from the kernel's neighbour table, with or without a lease."""

    mac: str
    address: str
    seen: float  # Unix time at which the device last answered


DeviceKind = Literal[
    "phone",
    "tablet",
    "computer",
    "tv",
    "speaker",
    "console",
    "printer",
    "camera",
    "network",
    "storage",
    "home",
    "unknown",
]


class SeenDevice(Struct, frozen=True):
    """A device of the LAN as it was last seen: by its lease, in the neighbour table, by mDNS or by its traffic."""

    mac: str
    first_seen: float  # Unix time
    last_seen: float
    online: bool = False
    addresses: tuple[str, ...] = ()  # as last known, IPv4 first
    hostname: str | None = None  # that the device calls itself
    services: tuple[str, ...] = ()  # that it offers by mDNS, such as "_ipp._tcp"
    vendor: str | None = None
    kind: DeviceKind = "unknown"


# --- Settings --------------------------------------------------------------------------------------------------------


class LanSettings(Struct, frozen=True):
    """The LAN: ``address`` is the gateway's own, in its network; the DHCP range lies within it."""

    address: IPv4Interface = IPv4Interface("192.168.77.1/24")
    dhcp_enabled: bool | None = None  # None = on, except on a link that is shared with the WAN
    dhcp_start: IPv4Address = IPv4Address("192.168.77.20")
    dhcp_end: IPv4Address = IPv4Address("192.168.77.250")
    lease_time: int = 12 * 3600
    ula: IPv6Interface | None = None  # RFC 4193; generated at the first start
    domain: str = "lan"
    hostname: str = "vpn-gateway"

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that are the LAN's own."""
        return (self.address.network, self.ula.network) if self.ula else (self.address.network,)


class LinkSettings(Struct, frozen=True):
    """The roles of the interfaces. None = detected from what is plugged in."""

    wan: str | None = None  # in a form of app.portname: a name, a MAC address, a place on the USB
    lan: tuple[str, ...] | None = None
    carrier: str | None = None  # the port under the WAN where that is a VLAN or PPPoE, in the same forms


Port = Annotated[int, Meta(ge=1, le=65535)]
ShortText = Annotated[str, Meta(max_length=255)]


class ProviderSettings(Struct, frozen=True):
    """The way to connect through one provider. A setting that the provider does not support is ignored."""

    port: Port | None = None  # UDP; None = the provider's usual one
    ipv6_endpoint: bool = False  # dial the server's IPv6 address
    multihop_entry: ShortText | None = None  # enter the provider's network at this server
    content_blocking: tuple[ShortText, ...] = ()  # names from the provider's list, such as "ads"
    rotate_days: Annotated[int, Meta(ge=1, le=30)] = 30  # days a key is used
    # A post-quantum preshared key: prefer = connect without one where the server gives none, require = do not connect.
    post_quantum: Literal["prefer", "require", "off"] = "prefer"


class FailoverSettings(Struct, frozen=True):
    """The reaction to a server that stops answering."""

    enabled: bool = True
    scope: Literal["city", "country", "anywhere"] = "country"
    countries: tuple[ShortText, ...] = ()  # allowed with "anywhere"; none = all
    return_to_first: bool = True  # go back to what was asked for after a while on a server that is not


class ServerPlace(Struct, frozen=True):
    """The place of a server when it was last in its provider's list."""

    server: ShortText  # "provider/hostname"
    country: ShortText
    city: ShortText


class ServerChange(Struct, frozen=True):
    """A scheduled change of server: at ``at`` (minutes after midnight, ``time_zone``) on ``days`` (0 = Monday)."""

    at: Annotated[int, Meta(ge=0, le=1439)]
    days: frozenset[Annotated[int, Meta(ge=0, le=6)]] = frozenset(range(7))
    select: ShortText = "random"  # as ``connect`` takes it


MIN_TUNNEL_MTU = 1280  # bytes; RFC 8200, section 5
MtuOrigin = Literal["exit", "provider", "server", "found", "route"]
TunnelMtu = Annotated[int, Meta(ge=MIN_TUNNEL_MTU, le=9200)]


class MtuSettings(Struct, frozen=True):
    """The MTU of tunnels where it is not to be found by the gateway; that of an exit counts before a provider's."""

    exits: Annotated[dict[ShortText, TunnelMtu], Meta(max_length=32)] = field(default_factory=dict)  # ExitSettings.mtu
    providers: Annotated[dict[ShortText, TunnelMtu], Meta(max_length=32)] = field(default_factory=dict)


class Fallback(Struct, frozen=True):
    """What an exit uses where the servers asked for do not answer; an imported file is of the provider ``imported``."""

    target: ShortText  # as ``connect`` takes it
    provider: ShortText | None = None  # None = the exit's


class Never(Struct, frozen=True):
    """What an exit never uses, whoever asks for it; text is compared without case and accents."""

    servers: Annotated[tuple[ShortText, ...], Meta(max_length=100)] = ()  # "hostname" or "provider/hostname"
    hosters: Annotated[tuple[ShortText, ...], Meta(max_length=100)] = ()
    countries: Annotated[tuple[ShortText, ...], Meta(max_length=100)] = ()  # names or codes


class ExitSettings(Struct, frozen=True):
    """The settings of one exit; an exit without any has the defaults."""

    name: str
    label: Annotated[str, Meta(max_length=64)] | None = None  # for people
    provider: ShortText | None = None  # None = the gateway's
    target: ShortText | None = None  # what ``connect`` uses where no server is named
    # Ranked; where there are any, they take the place of the servers that failover finds by itself.
    fallbacks: Annotated[tuple[Fallback, ...], Meta(max_length=10)] = ()
    dns: Annotated[tuple[Address, ...], Meta(max_length=4)] = ()  # inside the tunnel, in place of the server's
    mtu: TunnelMtu | None = None
    auto_connect: bool = True  # connect by itself after a start of the gateway, and when it has just been made
    server_changes: Annotated[tuple[ServerChange, ...], Meta(max_length=20)] = ()
    never: Never = Never()


MAX_USER_EXITS = 16  # with the default one


class Settings(Struct, frozen=True):
    provider: str = "mullvad"
    lan: LanSettings = LanSettings()
    links: LinkSettings = LinkSettings()
    # The place of a name is the exit's number; an empty name is the place of one that was removed.
    exits: tuple[str, ...] = (DEFAULT_EXIT,)
    exit_settings: tuple[ExitSettings, ...] = ()
    default_policy: Policy = VpnPolicy()
    new_device_policy: Literal["default", "wait"] = "default"
    devices: tuple[Device, ...] = ()
    self_service: SelfService = SelfService()
    device_self_service: dict[str, SelfService] = field(
        default_factory=dict
    )  # by MAC address, instead of the one above
    chosen_exits: dict[str, str] = field(default_factory=dict)  # MAC address -> the exit that the device has chosen
    groups: tuple[Group, ...] = ()
    time_zone: str = "UTC"  # IANA's name, for schedules and changes of server
    desired: dict[str, str] = field(default_factory=dict)  # exit -> "provider/hostname" it should be connected to
    first_choice: dict[str, str] = field(default_factory=dict)  # the same, while failover uses another server
    asked: dict[str, str] = field(
        default_factory=dict
    )  # exit -> the requested place, such as "Sweden", where no host name was requested
    places: dict[str, ServerPlace] = field(default_factory=dict)  # exit -> of its server, should it leave the list
    # Both are used inside the tunnel only:
    fallback_dns: tuple[Address, ...] = (IPv4Address("9.9.9.9"), IPv4Address("149.112.112.112"))
    exit_check_url: str | None = "https://am.i.mullvad.net/json"  # None = never
    rebind_exceptions: tuple[ShortText, ...] = ()  # domains whose names may have addresses of private networks
    host_names: tuple[ShortText, ...] = ()  # names that people have given the gateway elsewhere, as in their own DNS
    provider_settings: dict[ShortText, ProviderSettings] = field(default_factory=dict)
    favourites: Annotated[tuple[ShortText, ...], Meta(max_length=500)] = ()  # "provider/hostname"
    recent: Annotated[tuple[ShortText, ...], Meta(max_length=50)] = ()  # the same, the latest first
    failover: FailoverSettings = FailoverSettings()
    measure_latency: bool = True  # a few packets to servers of the list
    connect_at_boot: bool = True
    mtu: MtuSettings = field(default_factory=MtuSettings)
    server_changes: Annotated[tuple[ServerChange, ...], Meta(max_length=20)] = ()  # older: now of the default exit


# --- Observed state ------------------------------------------------------------------------------------------------


class WanLink(Struct, frozen=True):
    """The WAN as the kernel shows it now."""

    name: str
    up: bool = False
    mtu: int = 1500
    addresses: tuple[Interface, ...] = ()
    gateway4: IPv4Address | None = None
    gateway6: IPv6Address | None = None
    nameservers: tuple[Address, ...] = ()
    port: str | None = None  # the port under it, where the WAN is a VLAN or PPPoE

    @property
    def usable(self) -> bool:
        """Whether it has a link, and an address that leads further."""
        return self.up and bool(self.addresses)


class LanLink(Struct, frozen=True):
    name: str
    mtu: int = 1500


PortRole = Literal["wan", "lan", "modem", "none"]


class NetworkPort(Struct, frozen=True):
    """A network port of the machine, wired or radio."""

    name: str
    role: PortRole = "none"  # wan: also the port under it; modem: a phone or stick, which is never the LAN
    mac: str = ""  # the permanent address, where it is known
    driver: str | None = None
    usb: str | None = None  # its place, such as "usb-1.2@0000:01:00.0"
    radio: bool = False
    carrier: bool = False


class LanBridge(Struct, frozen=True):
    """The bridge that is the LAN. netd adds its wired ports, once the WAN is known."""

    name: str
    ports: tuple[str, ...] = ()  # wired
    radios: tuple[str, ...] = ()  # access points, which hostapd adds


class LinkProblem(Struct, frozen=True):
    """The reason why there is no usable WAN, and the remedy."""

    reason: Literal["wan_missing", "wan_unknown", "wan_ambiguous", "networks_overlap"]
    message: str


class WanChoice(Struct, frozen=True):
    """The origin of the choice of the WAN."""

    port: str | None = None  # as named, in a form of app.portname; None = detected
    fixed_by: str | None = None  # the key of gateway.toml that sets it; then only that file changes it


class Links(Struct, frozen=True):
    wan: WanLink | None
    lan: tuple[LanLink, ...]
    bridge: LanBridge | None = None
    ports: tuple[NetworkPort, ...] = ()
    problem: LinkProblem | None = None
    expected: str | None = None  # the name that the WAN will have, while that interface does not exist
