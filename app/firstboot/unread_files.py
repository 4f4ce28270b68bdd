"""Explanations for files on the card that were meant for the gateway and are not read, each with a remedy.

The card's own files, and files that have nothing to do with the gateway (a photo), are ignored.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from pathlib import Path

from app.encoding import NotTextError, decode
from app.filenames import is_clutter, is_config, plain
from app.firstboot.fat import CONFIG, CONFIG_TXT, FOREIGN, REPORT, UNFINISHED, Fat, is_archive, is_vpn_config, read

EXAMPLE = "gateway.example.toml"
_OWN_FILES = frozenset({CONFIG, CONFIG + UNFINISHED, CONFIG_TXT + UNFINISHED, EXAMPLE, REPORT, "reset-password.txt"})
_FOLDERS = frozenset({"slot-a", "slot-b", "overlays"})
_FIRMWARE = frozenset({".bin", ".dat", ".dtb", ".dtbo", ".elf", ".img", ".sig"})
_ARCHIVES = frozenset({".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".zipx"})
_DOCUMENTS = frozenset({".rtf", ".rtfd", ".doc", ".docx", ".odt", ".pages", ".htm", ".html", ".webarchive", ".pdf"})
# Files that Raspberry Pi OS and its Imager use on this partition.
_IMAGER = FOREIGN | {"custom.toml", "firstrun.sh", "network-config", "user-data", "userconf", "userconf.txt"}
_SSH = frozenset({"ssh", "ssh.txt"})
_MAX_BYTES = 64 * 1024  # of a file whose content is checked
_MAX_ENTRIES = 2000  # entries that are checked below a folder
_SETTING = re.compile(r"^\s*[^#\s\[]", re.MULTILINE)


def explain(fat: Fat) -> list[str]:
    """A line for each such file, sorted by name."""
    lines: list[str] = []
    with contextlib.suppress(OSError):  # no FAT partition, or a damaged one
        both = fat.find(CONFIG) is not None
        for path in fat.entries():
            if not path.exists():
                why = "it cannot be found under its own name: call it something in plain letters"
            else:
                why = _explain_folder(path) if path.is_dir() else _explain_file(path, both=both)
            if why is not None:
                lines.append(f"{plain(path.name)}: {why}")
    return lines


def _explain_folder(path: Path) -> str | None:
    name = path.name.lower()
    if name in _FOLDERS:
        return None
    if name.startswith("gateway.") or is_config(name) or is_archive(name):
        return "it is a folder, not a file: put what is in it beside it"
    inside = sorted(
        p.relative_to(path) for p in itertools.islice(path.rglob("*"), _MAX_ENTRIES) if _is_readable_file(p, path)
    )
    if not inside:
        return None
    more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
    return f"folders are not looked into: put {plain(str(inside[0]))}{more} beside {EXAMPLE}, or zip the folder"


def _is_readable_file(path: Path, folder: Path) -> bool:
    name = path.name.lower()
    if any(is_clutter(part) for part in path.relative_to(folder).parts):
        return False
    return is_config(name) or is_archive(name) or name in {CONFIG, CONFIG_TXT}


def _explain_file(path: Path, *, both: bool) -> str | None:
    name, ending = path.name.lower(), path.suffix.lower()
    if name == EXAMPLE:
        return _explain_example(path)
    if name == CONFIG_TXT:
        also = f"not read, because {CONFIG} is there as well, and passwords in it stay in it: remove one of them"
        return also if both else None
    if name in _OWN_FILES or "support" in name or ending in _FIRMWARE or is_vpn_config(name) or is_archive(name):
        return None  # the import reports .conf files that cannot be used
    return _explain_name(name, ending) or _explain_content(path)


def _explain_name(name: str, ending: str) -> str | None:
    if name in _IMAGER:
        return f"Raspberry Pi OS reads this, the gateway does not: put such settings into {CONFIG}"
    if name in _SSH:
        return f"SSH is opened by system.ssh_key in {CONFIG}"
    if name.startswith("reset") and "password" in name and name != "reset-password":
        return "not read: to remove the admin password, call the file reset-password"
    if ending == ".ovpn":
        return "an OpenVPN file; the gateway speaks WireGuard: ask the provider for a WireGuard .conf"
    if name.startswith("gateway") or ending == ".toml":
        how = "save it as plain text called" if ending in _DOCUMENTS else "rename it to"
        return f"settings are not read from it, and passwords in it stay in it: {how} {CONFIG}"
    if ".conf" in name:
        return "not read: save it as plain text with a name that ends in .conf"
    if ending in _ARCHIVES:
        return "archives of this kind are not read: put the .conf files here as they are, or in a .zip"
    return None


def _explain_content(path: Path) -> str | None:
    text = _text(path)
    if text is not None and "[interface]" in text.lower():
        return "it looks like a WireGuard configuration: save it as plain text with a name that ends in .conf"
    return None


def _explain_example(path: Path) -> str | None:
    text = _text(path)
    if text is not None and _SETTING.search(text):
        return f"settings are not read from the example, and passwords in it stay in it: copy it to {CONFIG}"
    return None


def _text(path: Path) -> str | None:
    try:
        data = read(path, _MAX_BYTES)
        return decode(data).text if data is not None else None
    except (OSError, NotTextError):
        return None
