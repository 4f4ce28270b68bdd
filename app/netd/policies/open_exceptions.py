"""The exceptions that are open, kept in /run: a restart of netd keeps them, a reboot ends them.

CLOCK_BOOTTIME decides when one ends, so that no step of the wall clock prolongs it; the file names the boot.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app import atomic, serialization
from app.errors import ConflictError, NotFoundError, UnavailableError
from app.model import Policy, PolicyException
from app.netd.events import BOOT_ID
from app.network.plan import MAX_EXCEPTIONS
from app.tunnel.clock import boottime

log = logging.getLogger(__name__)


class _Document(Struct, frozen=True):
    boot: str
    last: int  # the id given last
    exceptions: tuple[PolicyException, ...]


class OpenExceptions:
    """The list of exceptions. What begins or moves one raises UnavailableError (``storage``), and changes nothing."""

    def __init__(
        self,
        path: Path,
        wall: Callable[[], float] = time.time,
        boot: Callable[[], float] = boottime,
        boot_id: Callable[[], str] = BOOT_ID.read_text,
    ) -> None:
        self._path = path
        self._wall, self._boot = wall, boot
        self._boot_id = boot_id().strip()
        self._closed = False
        self._last, self._all = self._load()

    def _load(self) -> tuple[int, tuple[PolicyException, ...]]:
        try:
            document: _Document = serialization.decode(self._path.read_bytes(), _Document)
        except FileNotFoundError:
            return 0, ()
        except (OSError, msgspec.DecodeError) as error:
            log.error("the open exceptions could not be read, so all have ended: %s", error)
            return 0, ()
        return (document.last, document.exceptions) if document.boot == self._boot_id else (0, ())

    # --- present state -----------------------------------------------------------------------------------------------

    @property
    def kept(self) -> tuple[PolicyException, ...]:
        """All, also those whose time is over and whose end has not been carried out yet."""
        offset = self._wall() - self._boot()
        return tuple(replace(e, until=round(e.deadline + offset, 2)) for e in self._all)

    def present(self) -> tuple[PolicyException, ...]:
        """Those whose time is not over."""
        return tuple(e for e in self.kept if self.left(e) > 0)

    def over(self) -> tuple[PolicyException, ...]:
        return tuple(e for e in self.kept if self.left(e) <= 0)

    def left(self, exception: PolicyException) -> float:
        """Seconds until it ends."""
        return exception.deadline - self._boot()

    def get(self, number: int) -> PolicyException:
        """Raises NotFoundError."""
        found = next((e for e in self.present() if e.id == number), None)
        if found is None:
            raise NotFoundError(f"there is no open exception {number}", field="id")
        return found

    def of(self, mac: str | None, group: str | None) -> PolicyException | None:
        """The one of just this device or group."""
        return next((e for e in self.present() if (e.mac, e.group) == (mac, group)), None)

    # --- changes -----------------------------------------------------------------------------------------------------

    def start(
        self, policy: Policy, seconds: float, *, mac: str | None, group: str | None, reason: str | None, by: str
    ) -> PolicyException:
        """A new one, in place of the one that the device or group has. Raises ConflictError (``too_many``)."""
        replaced = self.of(mac, group)
        made = PolicyException(
            id=self._last + 1,
            slot=replaced.slot if replaced else self._free_slot(),
            policy=policy,
            started=self._wall(),
            until=self._wall() + seconds,
            deadline=self._boot() + seconds,
            by=by,
            mac=mac,
            group=group,
            reason=reason,
        )
        self._write(made.id, (*(e for e in self._all if replaced is None or e.id != replaced.id), made))
        return made

    def with_another(
        self, policy: Policy, seconds: float, *, mac: str | None, group: str | None
    ) -> tuple[PolicyException, ...]:
        """Those that there would be with a new one, which takes the place of the one that the device or group has."""
        now = self._wall()
        made = PolicyException(0, 0, policy, now, now + seconds, self._boot() + seconds, "", mac, group)
        return (*(e for e in self.present() if (e.mac, e.group) != (mac, group)), made)

    def prolong(self, number: int, seconds: float) -> PolicyException:
        """Have it end ``seconds`` from now. Raises NotFoundError."""
        changed = replace(self.get(number), until=self._wall() + seconds, deadline=self._boot() + seconds)
        self._write(self._last, tuple(changed if e.id == number else e for e in self._all))
        return changed

    def change_policy(self, old: Policy, new: Policy) -> None:
        """Have those with the policy ``old`` the policy ``new``: an exit has another name, or is gone."""
        if any(e.policy == old for e in self._all):
            self._keep(tuple(replace(e, policy=new) if e.policy == old else e for e in self._all))

    def remove(self, number: int) -> None:
        self._write(self._last, tuple(e for e in self._all if e.id != number))

    def drop(self, over: tuple[PolicyException, ...]) -> None:
        """Leave out those whose time is over."""
        ids = {e.id for e in over}
        self._keep(tuple(e for e in self._all if e.id not in ids))

    def put_back(self, old: tuple[PolicyException, ...], *, without: int | None = None) -> None:
        """Undo a change that failed: ``old`` are as they were, and the one with the id ``without`` is gone."""
        ids = {e.id for e in old} | {without}
        self._keep((*(e for e in self._all if e.id not in ids), *old))

    def restore(self, kept: tuple[PolicyException, ...]) -> None:
        """Put all back as :attr:`kept` was."""
        self._keep(kept)

    def close(self) -> None:
        """End all, and keep no other: the next process begins with other settings."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _free_slot(self) -> int:
        """A slot that nobody has, and the one that nobody has had for the longest time."""
        taken = {e.slot for e in self._all}
        found = next((n for i in range(MAX_EXCEPTIONS) if (n := (self._last + i) % MAX_EXCEPTIONS) not in taken), None)
        if found is None:
            raise ConflictError(f"there are already {MAX_EXCEPTIONS} exceptions; end one first", code="too_many")
        return found

    def _keep(self, exceptions: tuple[PolicyException, ...]) -> None:
        """Have just these, also where the file cannot be written: what is in force already cannot be refused."""
        try:
            self._write(self._last, exceptions)
        except UnavailableError as error:
            log.warning("%s", error.message)
            self._all = exceptions

    def _write(self, last: int, exceptions: tuple[PolicyException, ...]) -> None:
        if self._closed:
            raise UnavailableError("the gateway is restarting", code="restarting")
        try:
            atomic.write_atomic(self._path, serialization.encode(_Document(self._boot_id, last, exceptions)))
        except OSError as error:
            raise UnavailableError(
                f"The exception cannot be kept: {error.strerror or error}", code="storage"
            ) from error
        self._last, self._all = last, exceptions
