"""The exits of :class:`tests.support.fake_gateway.FakeGateway`: the settings follow the commands, no tunnel does."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from app.errors import ConflictError, NotFoundError
from app.exit_changes import renamed, with_exit, with_exit_settings
from app.exit_changes import without_exit as without
from app.exit_settings import all_exit_settings, exit_settings
from app.exit_users import users_of
from app.model import MAX_USER_EXITS, BlockedPolicy, Settings, VpnPolicy
from app.protocol.commands import ChangeExit, MakeExit, RemoveExit
from app.protocol.events import ExitChanged
from app.protocol.status import ExitState, ExitStatus, Snapshot
from app.store.exit_rules import check_exit_settings, check_new_name


def carry_out(state: Snapshot, command: MakeExit | ChangeExit | RemoveExit) -> tuple[Snapshot, ExitChanged]:
    """The state after ``command``. Raises as netd does."""
    settings = Settings(
        exits=tuple(one.name for one in state.exits),
        exit_settings=state.exit_settings,
        devices=state.devices,
        default_policy=state.default_policy,
    )
    match command:
        case MakeExit(exit=new):
            _check_name(new.name, settings)
            if len(settings.exits) >= MAX_USER_EXITS:
                full = f"there are already {MAX_USER_EXITS} exits; remove one first"
                raise ConflictError(full, field="name", code="too_many")
            changed = with_exit(settings, new)
            check_exit_settings(new, changed)
            event = ExitChanged(new.name, "made")
        case ChangeExit(name=name, change=change):
            _check_known(name, settings)
            given = {f: v for f in change.__struct_fields__ if (v := getattr(change, f)) is not UNSET and f != "name"}
            changed = with_exit_settings(settings, replace(exit_settings(settings, name), **given))
            check_exit_settings(exit_settings(changed, name), changed)
            event = ExitChanged(name, "changed")
            if change.name is not UNSET and change.name != name:
                if name == "default":
                    raise ConflictError("the exit default keeps its name", field="name", code="default_exit")
                _check_name(change.name, settings)
                changed = renamed(changed, name, change.name)
                event = ExitChanged(change.name, "renamed", before=name)
        case RemoveExit(name=name, then=then):
            _check_known(name, settings)
            if name == "default":
                raise ConflictError("the exit default cannot be removed", field="name", code="default_exit")
            if users_of(settings, name) and then is None:
                message = "devices would have no way out any more: say what is next"
                raise ConflictError(message, field="then", code="exit_in_use")
            if isinstance(then, VpnPolicy) and (then.exit == name or then.exit not in settings.exits):
                raise NotFoundError(f"there is no other exit {then.exit!r}", field="then")
            changed = without(settings, name, then or BlockedPolicy())
            event = ExitChanged(name, "removed")
    known = {one.name: one for one in state.exits}
    if event.change == "renamed" and isinstance(event.before, str):
        known[event.exit] = replace(known[event.before], name=event.exit)
    exits = tuple(known.get(name) or ExitStatus(name, ExitState.DISCONNECTED) for name in changed.exits if name)
    return replace(
        state,
        exits=exits,
        exit_settings=all_exit_settings(changed),
        devices=changed.devices,
        default_policy=changed.default_policy,
    ), event


def _check_name(name: str, settings: Settings) -> None:
    check_new_name(name)
    if name in settings.exits:
        raise ConflictError(f"there is already an exit {name}", field="name", code="name_in_use")


def _check_known(name: str, settings: Settings) -> None:
    if name not in settings.exits:
        raise NotFoundError(f"there is no exit {name!r}", field="name")
