"""A reader of zip archives of .conf files that treats each archive as hostile (pure).

The archive comes through the API or from the card. It is read in memory and never extracted to a path. An attack (a
path out of the archive, a link, a zip bomb) refuses the whole archive; an unusable entry (another kind of file, an
encrypted one) is reported with its problem.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath

from msgspec import Struct

from app.encoding import NotTextError, decode
from app.errors import GatewayError, InvalidFieldError, TooLargeError
from app.filenames import is_clutter, is_config, plain

MAX_BYTES = 4 * 1024 * 1024  # of the archive itself
MAX_ENTRIES = 4000  # with folders and what file managers add; a provider's zip of all servers has some 700 files
MAX_ENTRY = 256 * 1024  # bytes of one file
MAX_TOTAL = 8 * 1024 * 1024  # bytes of all of them; half of the longest line that netd accepts
_OPERATION = re.compile(r"operations\[([0-9]+)\]: ")
_UTF8_NAME = 0x800  # general purpose bit 11 (APPNOTE 4.4.4)
_ENCRYPTED = 0x1
# The exceptions of zipfile and its decompressors for a file that is not a zip, or is maliciously malformed.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError, OSError)
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class Entry(Struct, frozen=True):
    """A file of the archive: its ``config``, or the ``problem`` why it has none."""

    file: str  # its path in the archive, for display
    name: str = ""  # without folders
    config: str = ""
    problem: str | None = None
    foreign: bool = False  # ``problem`` is that it is another kind of file: a readme, a program

    def __repr__(self) -> str:
        return f"Entry({self.file!r})"  # never the keys


def read(data: bytes) -> list[Entry]:
    """The archive's files in its order. To be called in a thread: it inflates megabytes.

    Raises InvalidFieldError (``file``: not a zip, or an attack), TooLargeError (``file``).
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_ENTRIES:
                raise TooLargeError(
                    f"the archive has {len(infos)} entries, more than the {MAX_ENTRIES} that are read", field="file"
                )
            return _read(archive, infos)
    except _BROKEN as error:
        raise InvalidFieldError(f"the archive cannot be read: {plain(str(error))}", field="file") from None


def _read(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> list[Entry]:
    entries: list[Entry] = []
    total = 0
    for info in infos:
        name = _name(info)
        shown = plain(name)
        _refuse_unsafe(info, shown)
        path = PurePosixPath(name)
        if info.is_dir() or any(is_clutter(part) for part in path.parts):
            continue
        if not is_config(path.name):
            entries.append(Entry(shown, problem="not a .conf file", foreign=True))
            continue
        problem = _problem(info)
        if problem is not None:
            entries.append(Entry(shown, problem=problem))
            continue
        content, total = _inflate(archive, info, shown, total)
        try:
            entries.append(Entry(shown, path.name, decode(content).text))
        except NotTextError as error:
            entries.append(Entry(shown, problem=str(error)))
    if all(entry.foreign for entry in entries):
        raise InvalidFieldError("the archive holds no .conf file", field="file")
    return entries


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name. Without the UTF-8 flag it is still UTF-8 (macOS), or the old code page (Windows)."""
    if info.flag_bits & _UTF8_NAME:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()  # cp437 is what the module has read it as
    except ValueError:
        return info.filename


def _refuse_unsafe(info: zipfile.ZipInfo, shown: str) -> None:
    """Refuse the archive for an entry that is an attack. Raises InvalidFieldError."""
    # orig_filename: the module itself truncates at NUL and replaces backslashes.
    name = info.orig_filename
    path = PurePosixPath(name.replace("\\", "/"))
    if not name:  # no tool creates these, and the module fails on them
        raise InvalidFieldError("the archive has an entry without a name", field="file", code="unsafe_archive")
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or name[1:2] == ":":
        raise InvalidFieldError(f"{shown}: a path that leads out of the archive", field="file", code="unsafe_archive")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise InvalidFieldError(f"{shown}: neither a file nor a folder", field="file", code="unsafe_archive")


def _problem(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in _METHODS:
        return "its compression method is not supported"
    return None


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, shown: str, total: int) -> tuple[bytes, int]:
    """The entry's content. Reading stops at the limit, whatever size the headers claim. Raises TooLargeError."""
    with archive.open(info) as file:
        content = file.read(MAX_ENTRY + 1)
    if len(content) > MAX_ENTRY:
        raise TooLargeError(f"{shown} is larger than {MAX_ENTRY // 1024} KiB", field="file")
    total += len(content)
    if total > MAX_TOTAL:
        raise TooLargeError(f"the files are larger than {MAX_TOTAL // 1024**2} MiB together", field="file")
    return content, total


def with_file_name(error: GatewayError, files: Sequence[Entry]) -> GatewayError:
    """``error`` of a command with one operation for each of ``files``, with the name of the file that caused it."""
    at = _OPERATION.match(error.message)
    if at is None:
        return error
    named = GatewayError(f"{files[int(at[1])].file}: {error.message[at.end() :]}", field="file", code=error.code)
    named.status = error.status
    return named
