"""``python -m app firstboot ACTION`` runs one step of the start.

The start of a slow board waits for the first step, so each step imports only what it needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from app.firstboot.paths import Paths

STATE = Path("/var/lib/vpn-gateway")  # netd's


def main(argv: list[str]) -> int:
    match argv:
        case [action] if action in ACTIONS:
            return ACTIONS[action](Paths())
        case ["settings", new, last]:
            return _settings(new, last)
        case _:
            print(f"usage: python -m app firstboot {'|'.join(ACTIONS)}|settings NEW LAST", file=sys.stderr)
            return 2


def _early(paths: Paths) -> int:
    from app.firstboot import before_network  # noqa: PLC0415

    before_network.run(paths)
    return 0


def _settings(new: str, last: str) -> int:
    """Store netd's settings; the step before the network starts this as netd's user.

    EX_DATAERR: the judge refused them, and the reason is on the last line of the standard error.
    """
    import msgspec  # noqa: PLC0415

    from app.errors import InvalidFieldError  # noqa: PLC0415
    from app.firstboot import netd_settings  # noqa: PLC0415

    kind = netd_settings.NetdSettings
    try:
        netd_settings.store(STATE, msgspec.json.decode(new, type=kind), msgspec.json.decode(last, type=kind))
    except InvalidFieldError as error:
        print(error.message, file=sys.stderr)
        return os.EX_DATAERR
    return 0


def _late(paths: Paths) -> int:
    import asyncio  # noqa: PLC0415

    from app.firstboot import after_netd  # noqa: PLC0415

    return asyncio.run(after_netd.run(paths))


def _report(paths: Paths) -> int:
    from app.firstboot import report  # noqa: PLC0415

    report.report_all(paths)
    return 0


def _support(paths: Paths) -> int:
    import asyncio  # noqa: PLC0415

    from app.firstboot import faults, support  # noqa: PLC0415

    asyncio.run(support.answer_request(paths, STATE, faults.recorded(paths.run)))
    return 0


def _wan(paths: Paths) -> int:
    from app.firstboot import chosen_wan  # noqa: PLC0415

    chosen_wan.update_networkd(paths, chosen_wan.reload)
    return 0


def _access_point(paths: Paths) -> int:
    from app.firstboot import access_point  # noqa: PLC0415

    return access_point.main(paths.run)


def _pppoe(paths: Paths) -> int:
    from app.firstboot import pppoe_session  # noqa: PLC0415

    pppoe_session.main(paths.run)


ACTIONS: dict[str, Callable[[Paths], int]] = {  # started by the image's units
    "early": _early,
    "late": _late,
    "report": _report,
    "support": _support,
    "wan": _wan,
    "access-point": _access_point,
    "pppoe": _pppoe,
}
