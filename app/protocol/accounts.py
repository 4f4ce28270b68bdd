"""A provider and the account there as people are shown them: capabilities, form, devices, list. No secret."""

from __future__ import annotations

from msgspec import Struct

from app.model import ProviderSettings


class Capabilities(Struct, frozen=True):
    """What a client may offer for this provider."""

    add: bool = False  # servers are added by hand
    import_config: bool = False  # servers come from .conf files
    remove: bool = False
    sign_in: bool = False  # an account is needed before there are servers
    devices: bool = False  # the account's devices can be listed and removed
    key_rotation: bool = False
    multihop: bool = False
    choose_port: bool = False
    ipv6_endpoint: bool = False
    content_blocking: tuple[str, ...] = ()  # what the provider's resolvers can block


class CredentialField(Struct, frozen=True):
    """One field of the form to sign in with."""

    name: str
    label: str
    secret: bool = True  # shown as dots, and only its last characters ever again
    optional: bool = False
    help: str = ""
    pattern: str | None = None  # regular expression that the whole value matches, blanks removed
    longest: int = 512  # characters


class AccountStatus(Struct, frozen=True):
    """What may be shown of an account. Times are Unix times."""

    signed_in: bool
    account: str | None = None  # masked: "•••• 1234"
    expires: float | None = None
    days_left: int | None = None
    device: str | None = None
    max_devices: int | None = None
    key_created: float | None = None
    key_rotates: float | None = None
    problem: str | None = None  # a code, such as "account_expired" or "key_revoked"


class ProviderDevice(Struct, frozen=True):
    """A device of the account, as the provider lists it."""

    id: str
    name: str
    created: float | None = None  # Unix time
    current: bool = False  # this gateway


class SkippedEntry(Struct, frozen=True):
    """An entry of the provider's list that is not offered, and why."""

    entry: str
    reason: str
    bad: bool = True  # False = well formed, but inactive or of another protocol


class ListStatus(Struct, frozen=True):
    """Where the server list comes from. ``source``: provider (this time), kept, shipped, or none."""

    source: str
    servers: int = 0
    fetched: float | None = None  # Unix time
    changed: bool = False
    skipped: tuple[SkippedEntry, ...] = ()


class ProviderInfo(Struct, frozen=True):
    """All that a client needs to show one provider and to offer what it can do."""

    name: str
    title: str
    current: bool
    capabilities: Capabilities
    credentials: tuple[CredentialField, ...] = ()
    account: AccountStatus | None = None  # None = it has no accounts
    list: ListStatus | None = None
    settings: ProviderSettings | None = None
