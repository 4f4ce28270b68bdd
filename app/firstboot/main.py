"""``python -m app firstboot ACTION`` runs one step of the start: each unit of the image starts one of them.

``settings`` is started by ``early`` itself, as netd's user.
"""

from __future__ import annotations

import os
import subprocess
import sys
from ipaddress import IPv4Interface
from pathlib import Path

import msgspec

from app.firstboot import early, faults, radio, render, strays
from app.firstboot.fat import Fat
from app.firstboot.faults import Source
from app.firstboot.render import Told

NET = Path("/sys/class/net")
STATE = Path("/var/lib/vpn-gateway")  # netd's


def main(argv: list[str]) -> int:
    paths = early.Paths()
    match argv:
        case ["early"]:
            early.tidy(paths)
            auth = early.auth(paths.web)
            found = early.reset_password(paths, auth)
            config, more = early.take(paths, auth)
            found += more + strays.told(Fat(paths.fat))
            for fault in found:
                print(fault, file=sys.stderr)
            early.apply(paths, config)
            faults.put(paths.run, Source.EARLY, found)
            early.report(paths, found)
            tell_netd(paths, render.told(config))
            return 0
        case ["settings", text, last]:
            settings(STATE, msgspec.json.decode(text, type=Told), msgspec.json.decode(last, type=Told))
            return 0
        case ["wan"]:
            from app.firstboot import chosen  # noqa: PLC0415 - few choose

            chosen.carry_out(paths, chosen.reload)
            return 0
        case ["access-point"]:
            from app.firstboot import access_point  # noqa: PLC0415

            return access_point.main()
        case ["pppoe"]:
            from app.firstboot import pppoe  # noqa: PLC0415

            return pppoe.main()
        case ["late"]:
            import asyncio  # noqa: PLC0415 - early, which everything waits for, does without

            return asyncio.run(late(paths))
        case ["report"]:
            report(paths)
            return 0
        case ["support"]:
            import asyncio  # noqa: PLC0415 - see above

            from app.firstboot import support  # noqa: PLC0415

            asyncio.run(support.carry_out(paths, STATE, faults.told(paths.run)))
            return 0
        case _:
            print("usage: python -m app firstboot early|late|report|support|wan|pppoe|access-point", file=sys.stderr)
            return 2


def tell_netd(paths: early.Paths, told: Told) -> None:
    """Put it into netd's settings, where it is not what netd was told last.

    So what somebody changes in the web interface stays, until the file says something new.
    """
    last = paths.data / "setup" / "told"
    text = msgspec.json.encode(told)
    before = last.read_bytes() if last.exists() else msgspec.json.encode(Told())
    if text == before:
        return
    # netd's state belongs to netd's user: a file of root's would lock it out.
    subprocess.run(
        [sys.executable, "-sP", "-m", "app", "firstboot", "settings", text.decode(), before.decode()],
        check=True,
        user="netd",
        group="vpn-gateway",
        extra_groups=[],
        umask=0o077,
    )
    early.write(last, text, 0o600)


def settings(state: Path, told: Told, last: Told) -> None:
    """Tell netd's settings which port is which, and the gateway's name and address on the LAN.

    A WAN that was chosen elsewhere than in gateway.toml, which named ``last.wan``, stays until that file names one.
    """
    from app.model import LinkSettings, Settings  # noqa: PLC0415 - early must not fail for what only this needs
    from app.store import Store  # noqa: PLC0415

    def change(old: Settings) -> Settings:
        lan = msgspec.structs.replace(old.lan, hostname=told.hostname)
        if told.lan_address is not None:
            address = IPv4Interface(told.lan_address)
            start, end = render.dhcp_range(address)
            lan = msgspec.structs.replace(lan, address=address, dhcp_start=start, dhcp_end=end)
        links = LinkSettings(wan=told.wan, lan=told.lan, carrier=told.carrier)
        if told.wan is None and old.links.wan != last.wan:
            links = LinkSettings(wan=old.links.wan, lan=told.lan, carrier=old.links.carrier)
        return msgspec.structs.replace(old, links=links, lan=lan)

    with Store(state) as store:
        store.update_settings(change)


async def late(paths: early.Paths) -> int:
    """EX_TEMPFAIL asks systemd for another try in a while (``Restart=on-failure``)."""
    from app.firstboot.late import carry_out, connected  # noqa: PLC0415 - only late needs netd's protocol

    outcome = await carry_out(paths, early.load(paths), await connected())
    for fault in outcome.faults:
        print(fault, file=sys.stderr)
    faults.put(paths.run, Source.LATE, outcome.faults + outcome.notes)
    report(paths)
    return os.EX_TEMPFAIL if outcome.retry else 0


def report(paths: early.Paths, net: Path = NET) -> None:
    """Tell what everybody found, and a radio that is not there: by now its driver has had its time."""
    early.report(paths, faults.told(paths.run) + radio.missing(early.load(paths), (net / radio.RADIO).exists()))
