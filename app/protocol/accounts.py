"""The public view of a provider and the account there: capabilities, sign-in form, devices, list; no secret."""

from __future__ import annotations

from msgspec import Struct

from app.model import ProviderSettings


class Capabilities(Struct, frozen=True):
    """The actions that a client may offer for this provider."""

    add: bool = False  # servers are added by hand
    import_config: bool = False  # servers come from .conf files
    remove: bool = False
    sign_in: bool = False  # an account is needed before there are servers
    devices: bool = False  # the account's devices can be listed and removed
    key_rotation: bool = False
    multihop: bool = False
    choose_port: bool = False
    ipv6_endpoint: bool = False
    post_quantum: bool = False  # its servers give a post-quantum preshared key
    content_blocking: tuple[str, ...] = ()  # what the provider's resolvers can block
    file_key: bool = False  # the key of one of its .conf files works with all of its servers

    @property
    def has_account(self) -> bool:
        """Whether an account is needed to connect, by a sign-in or from a file."""
        return self.sign_in or self.file_key


class CredentialField(Struct, frozen=True):
    """One field of the form to sign in with."""

    name: str
    label: str
    secret: bool = True  # entered as dots; later only its last characters are shown
    optional: bool = False
    help: str = ""
    pattern: str | None = None  # regular expression that the whole value matches, blanks removed
    longest: int = 512  # characters


class AccountStatus(Struct, frozen=True):
    """The part of an account that may be shown. Times are Unix times."""

    signed_in: bool
    account: str | None = None  # masked: "•••• 1234"
    expires: float | None = None
    days_left: int | None = None
    device: str | None = None
    max_devices: int | None = None
    key_created: float | None = None
    key_rotates: float | None = None
    key_proven: bool | None = None  # whether any server has ever answered the gateway's key
    problem: str | None = None  # a code, such as "account_expired" or "key_revoked"
    from_file: str | None = None  # the imported server whose key is used; None = signed in


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
    """The origin of the server list. ``source``: provider (this time), kept, shipped, or none."""

    source: str
    servers: int = 0
    fetched: float | None = None  # Unix time
    changed: bool = False
    skipped: tuple[SkippedEntry, ...] = ()


class ProviderInfo(Struct, frozen=True):
    """Everything that a client needs to show one provider and to offer its actions."""

    name: str
    title: str
    current: bool
    capabilities: Capabilities
    credentials: tuple[CredentialField, ...] = ()
    account: AccountStatus | None = None  # None = it has no accounts
    list: ListStatus | None = None
    settings: ProviderSettings | None = None
    key_files: tuple[str, ...] = ()  # imported servers whose key opens this provider's list, one of each key
