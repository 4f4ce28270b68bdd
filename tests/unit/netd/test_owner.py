"""netd's own check of the owner's password, with real hashes on a real disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.auth import owner as files
from app.errors import ConflictError, ForbiddenError, InvalidFieldError, TooManyRequestsError, UnavailableError
from app.netd.owner import FREE, OwnerCheck
from app.protocol.commands import SetOwner

PASSWORD = "correct horse battery"
OTHER = "another good password"


async def set_owner(check: OwnerCheck, password: str | None, current: str | None = None) -> None:
    ((_, handler),) = check.handlers()
    await handler(SetOwner(password, current))


async def test_without_an_owner_nothing_is_confirmed(tmp_path: Path) -> None:
    with pytest.raises(ForbiddenError) as refused:
        await OwnerCheck(tmp_path).check(PASSWORD)
    assert refused.value.code == "set_password_first"


async def test_only_the_owners_password_is_right(tmp_path: Path) -> None:
    check = OwnerCheck(tmp_path)
    await set_owner(check, PASSWORD)
    await check.check(PASSWORD)
    with pytest.raises(InvalidFieldError) as missing:
        await check.check(None)
    assert (missing.value.code, missing.value.field) == ("missing_field", "password")
    for wrong in ("", OTHER):
        with pytest.raises(ForbiddenError) as refused:
            await check.check(wrong)
        assert (refused.value.code, refused.value.field) == ("wrong_password", "password")
    assert PASSWORD not in (tmp_path / files.NAME).read_text()
    assert (tmp_path / files.NAME).stat().st_mode & 0o777 == 0o600


async def test_an_owner_is_replaced_only_with_the_present_password(tmp_path: Path) -> None:
    """A web process that was taken over cannot make itself the owner."""
    check = OwnerCheck(tmp_path)
    await set_owner(check, PASSWORD)
    with pytest.raises(ConflictError):
        await set_owner(check, OTHER)
    for new in (OTHER, None):
        with pytest.raises(ForbiddenError):
            await set_owner(check, new, "not the password")
    await check.check(PASSWORD)
    await set_owner(check, OTHER, PASSWORD)
    await check.check(OTHER)
    await set_owner(check, None, OTHER)
    assert files.load(tmp_path) is None


async def test_a_weak_password_is_no_owners(tmp_path: Path) -> None:
    with pytest.raises(InvalidFieldError):
        await set_owner(OwnerCheck(tmp_path), "short")
    assert files.load(tmp_path) is None


async def test_a_damaged_file_is_no_open_door(tmp_path: Path) -> None:
    (tmp_path / files.NAME).write_text("{")
    for attempt in (OwnerCheck(tmp_path).check(PASSWORD), set_owner(OwnerCheck(tmp_path), PASSWORD)):
        with pytest.raises(UnavailableError):
            await attempt
    assert (tmp_path / files.NAME).read_text() == "{"


async def test_guesses_have_to_wait(tmp_path: Path) -> None:
    now = 1000.0
    check = OwnerCheck(tmp_path, clock=lambda: now)
    await set_owner(check, PASSWORD)
    for _ in range(FREE):
        with pytest.raises(ForbiddenError):
            await check.check(OTHER)
    with pytest.raises(TooManyRequestsError):
        await check.check(PASSWORD)
    now += 61.0
    await check.check(PASSWORD)
