"""The commands about the gateway's settings: devices, WAN, preferences, backups."""

from __future__ import annotations

from app.model import Policy
from app.protocol.answers import Done, OpeningName, Restored
from app.protocol.command import Command
from app.protocol.preferences import Preferences, PreferencesChange


class SetDevicePolicy(Command[Done], frozen=True, tag="set_device_policy"):
    """Give a device a policy of its own, or with None that of its group or the default again.

    ``password`` is the owner's, where that lets the device out directly.

    Raises InvalidFieldError (bad MAC), NotFoundError (no such exit), or what checking the password raises.
    """

    in_bulk = True

    mac: str
    policy: Policy | None
    name: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"SetDevicePolicy({self.mac!r}, {self.policy!r}, {self.name!r})"


class ChooseWan(Command[Done], frozen=True, tag="choose_wan"):
    """Make ``port``, in a form of app.portname, the WAN; None = the one detected from what is plugged in.

    Raises InvalidFieldError (no such port, or none that can be the WAN), ConflictError (``wan_fixed``: gateway.toml
    says which one it is; ``only_port``, ``lan_port``: the LAN would have none), KernelError. Then nothing has changed.
    """

    port: str | None


class GetPreferences(Command[Preferences], frozen=True, tag="get_preferences"):
    """The settings that people change while the gateway runs."""

    during_bulk = True


class ChangePreferences(Command[Preferences], frozen=True, tag="change_preferences"):
    """Change the settings that ``change`` names.

    ``password`` is the owner's, for a default policy that lets devices out directly. Raises InvalidFieldError,
    NotFoundError (no such exit), KernelError, or what checking the password raises. Then nothing has changed.
    """

    in_bulk = True

    change: PreferencesChange
    password: str | None = None

    def __repr__(self) -> str:
        return f"ChangePreferences({self.change!r})"


class SetOwner(Command[Done], frozen=True, tag="set_owner"):
    """Keep the hash of the owner's ``password`` in netd too; None = there is no owner any more.

    ``current`` is the present one, where there is one. Raises ConflictError (``password_set``: there is an owner and
    ``current`` was not given), ForbiddenError (``wrong_password``), TooManyRequestsError, UnavailableError.
    """

    password: str | None
    current: str | None = None

    def __repr__(self) -> str:
        return "SetOwner(***)"


class CreateBackup(Command[bytes], frozen=True, tag="create_backup"):
    """Back up everything that cannot be regenerated, encrypted; ``password`` is the owner's.

    Raises InvalidFieldError (``passphrase``), ConflictError (``busy``; ``not_restorable``: it would be
    refused), or what checking the password raises.
    """

    passphrase: str
    password: str | None = None

    def __repr__(self) -> str:
        return "CreateBackup(***)"


class RestoreBackup(Command[Restored], frozen=True, tag="restore_backup"):
    """Replace everything by ``backup`` and restart netd; with ``dry_run`` only check that this could be done.

    ``accept`` names what the backup may open; a dry run lists it. ``password`` is the owner's; a dry run needs none.

    Raises InvalidFieldError (``passphrase``: wrong; ``backup``: damaged, newer or not valid), TooLargeError,
    ConflictError (``busy``; ``accept_openings``: it opens more), UnavailableError (``storage``), or what checking the
    password raises.
    """

    backup: bytes
    passphrase: str
    dry_run: bool = False
    accept: tuple[OpeningName, ...] = ()
    password: str | None = None

    def __repr__(self) -> str:
        return f"RestoreBackup({len(self.backup)} bytes, ***, dry_run={self.dry_run}, accept={self.accept})"
