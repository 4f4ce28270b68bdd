"""``python -m firstboot early | late``; ``links WAN`` is early's own, as netd's user."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec

from firstboot import early, render

FAULTS = Path("/run/vpn-gateway-setup/faults")  # early's, for late's report: one report tells everything


def main(argv: list[str]) -> int:
    paths = early.Paths()
    match argv:
        case ["early"]:
            config, faults = early.take(paths)
            for fault in faults:
                print(fault, file=sys.stderr)
            early.apply(paths, config)
            FAULTS.parent.mkdir(parents=True, exist_ok=True)
            FAULTS.write_text("\n".join(faults))
            early.report(paths, faults)
            tell_netd(paths, render.wan_interface(config))
            return 0
        case ["links", wan]:
            return links(Path("/var/lib/vpn-gateway"), wan)
        case ["late"]:
            return asyncio.run(late(paths))
        case _:
            print("usage: firstboot early|late", file=sys.stderr)
            return 2


def tell_netd(paths: early.Paths, wan: str) -> None:
    """Put the roles of the ports into netd's settings, where they are not what it finds by itself or was told last."""
    told = paths.data / "setup" / "wan"
    if wan == (told.read_text() if told.exists() else render.ONBOARD):
        return
    # netd's state belongs to netd's user: a file of root's would lock it out.
    subprocess.run(
        [sys.executable, "-sP", "-m", "firstboot", "links", wan],
        check=True,
        user="netd",
        group="vpn-gateway",
        extra_groups=[],
        umask=0o077,
    )
    told.write_text(wan)


def links(state: Path, wan: str) -> int:
    """Tell netd's settings which port is which."""
    from app.model import LinkSettings  # noqa: PLC0415 - early must not fail for what only links needs
    from app.store import Store  # noqa: PLC0415

    with Store(state) as store:
        wanted = LinkSettings(wan=wan, lan=(render.BRIDGE,))
        if store.settings.links != wanted:
            store.update_settings(lambda s: msgspec.structs.replace(s, links=wanted))
    return 0


async def late(paths: early.Paths) -> int:
    from firstboot.late import carry_out, connected  # noqa: PLC0415 - only late needs netd's protocol

    faults = FAULTS.read_text().splitlines() if FAULTS.exists() else []
    faults += await carry_out(paths, early.load(paths), await connected())
    early.report(paths, faults)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
