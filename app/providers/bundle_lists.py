"""``python -m app.providers.bundle_lists`` converts providers' server lists into the files of an image.

    python -m app.providers.bundle_lists --to overlay/lists mullvad=relays.json ivpn=servers.json

A gateway with them offers servers before it has been online. The input is the provider's answer, downloaded beforehand,
so that neither an account nor a network is needed. Skipped entries are printed with their reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from app import atomic
from app.errors import GatewayError
from app.providers import (
    airvpn_relays,
    azirevpn_relays,
    hideme_relays,
    ivpn_relays,
    mullvad_relays,
    nordvpn_relays,
    pia_relays,
    surfshark_relays,
    windscribe_list,
)
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.cache import encode
from app.providers.server_list.relay import RelayList
from app.providers.server_list.source import ListAnswer, ListSource

SOURCES: Mapping[str, ListSource] = {
    "mullvad": mullvad_relays.SOURCE,
    "ivpn": ivpn_relays.SOURCE,
    "nordvpn": nordvpn_relays.SOURCE,
    "azirevpn": azirevpn_relays.SOURCE,
    "surfshark": surfshark_relays.SOURCE,
    "pia": pia_relays.SOURCE,
    "windscribe": windscribe_list.SOURCE,
    "airvpn": airvpn_relays.SOURCE,
    "hideme": hideme_relays.SOURCE,
}


def bundle(name: str, data: bytes, directory: Path) -> RelayList:
    """Write ``NAME.json`` into ``directory``. Raises BadAnswerError, OSError."""
    found = SOURCES[name].parse(ListAnswer(data), AddressPolicy())
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    atomic.write_atomic(path, encode(found))
    path.chmod(0o644)  # it is part of the image and holds no secret
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Convert providers' server lists into the files of an image.")
    parser.add_argument("--to", type=Path, required=True, metavar="DIRECTORY")
    parser.add_argument("lists", nargs="+", metavar="PROVIDER=FILE")
    given = parser.parse_args(arguments)
    for text in given.lists:
        name, _, path = text.partition("=")
        if name not in SOURCES or not path:
            parser.error(f"{text}: PROVIDER is one of {', '.join(SOURCES)}")
        try:
            found = bundle(name, Path(path).read_bytes(), given.to)
        except (GatewayError, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        for entry in found.skipped:
            print(f"{name}: {entry.entry}: {entry.reason}", file=sys.stderr)
        print(f"{name}: {len(found.relays)} servers, {len(found.skipped)} entries left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
