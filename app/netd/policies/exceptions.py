"""The commands that start, move and end exceptions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from app.errors import InvalidFieldError, NotFoundError, UnavailableError
from app.model import DirectPolicy, Policy, PolicyException
from app.netd.device_checks import OwnAddresses, check_exit, device_address
from app.netd.policies.changes import PolicyChanges
from app.netd.policies.exception_ends import Cause, ExceptionEnds
from app.netd.policies.open_exceptions import OpenExceptions
from app.netd.protocols import KnownExits, OwnerPassword
from app.protocol.answers import Done
from app.protocol.commands import ChangeException, EndException, HandlerEntry, StartException
from app.protocol.events import EventSink
from app.store import Store

MIN_SECONDS = 1.0
MAX_SECONDS = 30 * 86400.0
MAX_TEXT = 200  # characters of a reason


class Exceptions:
    """The handler of StartException, ChangeException and EndException."""

    def __init__(
        self,
        *,
        opened: OpenExceptions,
        changes: PolicyChanges,
        store: Store,
        exits: KnownExits,
        own_addresses: OwnAddresses,
        publish: EventSink,
        check_owner: OwnerPassword,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._open = opened
        self._changes = changes
        self._store = store
        self._exits = exits
        self._own_addresses = own_addresses
        self._check_owner = check_owner
        self._wall = wall
        self._ends = ExceptionEnds(opened, changes, publish)

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (
            StartException.handled_by(self.start),
            ChangeException.handled_by(self.change),
            EndException.handled_by(self.end),
        )

    async def run(self) -> None:
        """Run until cancelled: announce ends, and carry them out."""
        await self._ends.run()

    # --- commands ----------------------------------------------------------------------------------------------------

    async def start(self, command: StartException) -> PolicyException:
        mac, group = self._subject(command)
        seconds = self._seconds(command.seconds, command.until)
        reason = command.reason or None
        if reason is not None and not (len(reason) <= MAX_TEXT and reason.isprintable()):
            raise InvalidFieldError(f"reason: one line of at most {MAX_TEXT} characters", field="reason")
        check_exit(command.policy, self._exits)
        nobody = group is not None and all(d.group != group for d in self._store.settings.devices)
        then = self._open.with_another(command.policy, seconds, mac=mac, group=group)
        if self._opens(then) or (nobody and isinstance(command.policy, DirectPolicy)):
            await self._check_owner(command.password)
        return await self.begin(command.policy, seconds, mac=mac, group=group, reason=reason, by=command.by)

    async def begin(
        self,
        policy: Policy,
        seconds: float,
        *,
        mac: str | None = None,
        group: str | None = None,
        reason: str | None = None,
        by: str,
    ) -> PolicyException:
        """Start an exception that has been allowed. Raises ConflictError (``too_many``), KernelError."""
        replaced = self._open.of(mac, group)
        made = self._open.start(policy, seconds, mac=mac, group=group, reason=reason, by=by)
        await self._apply((replaced,) if replaced is not None else (), without=made.id)
        if replaced is not None:
            self._ends.ended(replaced, "replaced")
        self._ends.started(made)
        return made

    async def change(self, command: ChangeException) -> PolicyException:
        old = self._open.get(command.id)
        seconds = self._seconds(command.seconds, command.until)
        if self._opens(self._open.with_another(old.policy, seconds, mac=old.mac, group=old.group)):
            await self._check_owner(command.password)
        new = self._open.prolong(command.id, seconds)
        await self._apply((old,))
        self._ends.started(new)
        return new

    async def end(self, command: EndException) -> Done:
        one = self._open.get(command.id)
        if self._opens(self.without([one])):
            await self._check_owner(command.password)
            one = self._open.get(command.id)
        await self.end_some([one], "ended")
        return Done()

    async def end_some(
        self, some: Iterable[PolicyException], cause: Cause, *, undo: Callable[[], object] = lambda: None
    ) -> None:
        """End exceptions now, in one plan with what its caller has stored.

        Raises KernelError, UnavailableError; then they go on, and ``undo`` has taken back what was stored.
        """
        some = tuple(some)
        try:
            for one in some:
                self._open.remove(one.id)
        except UnavailableError:
            undo()
            raise
        await self._apply(some, ended=some, also_undo=undo)
        for one in some:
            self._ends.ended(one, cause)

    def of_device(self, mac: str) -> tuple[PolicyException, ...]:
        return tuple(e for e in self._open.present() if e.mac == mac)

    def of_group(self, name: str) -> tuple[PolicyException, ...]:
        return tuple(e for e in self._open.present() if e.group == name)

    def without(self, some: Iterable[PolicyException]) -> tuple[PolicyException, ...]:
        """Those that there would be without ``some``."""
        ids = {one.id for one in some}
        return tuple(e for e in self._open.present() if e.id not in ids)

    @property
    def kept(self) -> tuple[PolicyException, ...]:
        return self._open.kept

    def restore(self, kept: tuple[PolicyException, ...]) -> None:
        """Have just the exceptions of before a bulk request that failed; its caller applies the plan."""
        ids = {e.id for e in kept}
        undone = tuple(e for e in self._open.present() if e.id not in ids)
        self._open.restore(kept)
        self._ends.wake()
        for one in undone:
            self._ends.ended(one, "ended")

    async def _apply(
        self,
        old: tuple[PolicyException, ...],
        *,
        ended: Iterable[PolicyException] = (),
        without: int | None = None,
        also_undo: Callable[[], object] = lambda: None,
    ) -> None:
        """Raises KernelError; then this change alone is undone."""

        def undo() -> None:
            also_undo()
            self._open.put_back(old, without=without)
            self._ends.wake()

        self._ends.wake()
        await self._changes.follow(ended=ended, undo=undo)

    def _subject(self, command: StartException) -> tuple[str | None, str | None]:
        """The device or the group. Raises InvalidFieldError, NotFoundError."""
        if (command.mac is None) == (command.group is None):
            raise InvalidFieldError("device: name a device or a group", field="device")
        if command.group is not None:
            settings = self._store.settings
            known = {g.name for g in settings.groups} | {d.group for d in settings.devices}
            if command.group not in known:
                raise NotFoundError(f"there is no group {command.group!r}", field="group")
            return None, command.group
        return device_address(command.mac or "", self._own_addresses, "device"), None

    def _seconds(self, seconds: float | None, until: float | None) -> float:
        """The time that is left. Raises InvalidFieldError."""
        if (seconds is None) == (until is None):
            raise InvalidFieldError("for: say for how many seconds, or until when", field="for")
        field = "for" if seconds is not None else "until"
        left = seconds if seconds is not None else (until or 0.0) - self._wall()
        if not MIN_SECONDS <= left <= MAX_SECONDS:  # also where it is no number
            wanted = "1 second to 30 days" if seconds is not None else "in the future, and at most 30 days from now"
            raise InvalidFieldError(f"{field}: {wanted}", field=field)
        return left

    def _opens(self, then: tuple[PolicyException, ...]) -> bool:
        """Whether a device leaves in the clear by ``then``, at a time at which it does not by those that are open."""
        return self._changes.let_out(self._store.settings, then)
