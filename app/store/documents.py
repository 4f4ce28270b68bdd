"""The loader of one stored file, which may be whole, damaged in part, or missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from app import atomic

T = TypeVar("T")


@dataclass(frozen=True)
class Decoded(Generic[T]):
    value: T
    version: int
    damaged: tuple[str, ...] = ()  # entries that had to be left out


@dataclass(frozen=True)
class Loaded(Generic[T]):
    value: T
    present: bool  # False where the file is absent or was set aside
    problems: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return self.present and not self.problems


def load(path: Path, decode: Callable[[bytes], Decoded[T]], default: T, version: int) -> Loaded[T]:
    """Read ``path``; where ``decode`` raises ValueError, the file is set aside as ``.bad`` and the default used.

    A file with damaged entries, or of a newer version, is copied aside before anyone overwrites it: ``.bad``, ``.v2``.
    Raises OSError where the directory cannot be used at all.
    """
    try:
        data = atomic.read(path)
        if data is None:
            return Loaded(default, present=False)
        decoded = decode(data)
    except (OSError, ValueError, RecursionError) as error:
        kept = atomic.set_aside(path)
        if kept is None:
            raise OSError(f"{path.name} is damaged and cannot be renamed") from error
        return Loaded(default, present=False, problems=(f"{path.name} was damaged; it is kept as {kept.name}",))
    problems: list[str] = []
    if decoded.damaged:
        atomic.write_atomic(path.with_name(f"{path.name}.bad"), data)
        problems.append(f"{path.name}: damaged entries were left out ({', '.join(decoded.damaged)})")
    if decoded.version > version:
        atomic.write_atomic(path.with_name(f"{path.name}.v{decoded.version}"), data)
        problems.append(
            f"{path.name} was written by a newer version; fields that this version does not know are ignored"
        )
    return Loaded(decoded.value, present=True, problems=tuple(problems))
