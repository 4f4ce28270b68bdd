"""The settings that people change while the gateway runs (pure)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from app.addresses import Address
from app.model import FailoverSettings, MtuSettings, ServerChange, ShortText

Resolvers = Annotated[tuple[Address, ...], Meta(min_length=1, max_length=4)]
HostNames = Annotated[tuple[ShortText, ...], Meta(max_length=20)]
Domains = Annotated[tuple[ShortText, ...], Meta(max_length=100)]
Changes = Annotated[tuple[ServerChange, ...], Meta(max_length=20)]

NewDevicePolicy = Literal["default", "wait"]
PolicyText = Annotated[str, Meta(extra_json_schema={"pattern": r"^(vpn(:[\s\S]+)?|direct|blocked)$"})]


class Preferences(Struct, frozen=True):
    failover: FailoverSettings
    connect_at_boot: bool
    server_changes: tuple[ServerChange, ...]
    measure_latency: bool
    fallback_dns: tuple[Address, ...]  # asked inside the tunnel, where the server names none
    exit_check_url: str | None  # asked through the tunnel for the address seen; None = never
    rebind_exceptions: tuple[str, ...]  # domains whose names may have addresses of private networks
    host_names: tuple[str, ...]  # names that people have given the gateway elsewhere, as in their own DNS
    favourites: tuple[str, ...]  # "provider/hostname"
    recent: tuple[str, ...]  # the same, the latest first
    mtu: MtuSettings = field(default_factory=MtuSettings)
    default_policy: str = "vpn"  # of devices without a policy of their own
    new_device_policy: NewDevicePolicy = "default"  # wait = a new device gets nothing until it is admitted
    time_zone: str = "UTC"  # of the schedules, IANA's name


class PreferencesChange(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A change of some settings; fields that are left out keep their value."""

    failover: FailoverSettings | UnsetType = UNSET
    connect_at_boot: bool | UnsetType = UNSET
    server_changes: Changes | UnsetType = UNSET
    measure_latency: bool | UnsetType = UNSET
    fallback_dns: Resolvers | UnsetType = UNSET
    exit_check_url: ShortText | UnsetType | None = UNSET
    rebind_exceptions: Domains | UnsetType = UNSET
    host_names: HostNames | UnsetType = UNSET
    mtu: MtuSettings | UnsetType = UNSET
    default_policy: PolicyText | UnsetType = UNSET
    new_device_policy: NewDevicePolicy | UnsetType = UNSET
    time_zone: ShortText | UnsetType = UNSET
