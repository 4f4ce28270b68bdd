"""``ci/lab fault``: the faults that can be injected by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ci.labnet.addresses import VPNS, WAN4_NETWORKS
from ci.labnet.lab import Lab
from ci.labnet.waiting import LabError

SERVER, NETWORK, ROUTES = "SERVER", "NETWORK", "[NETWORK ROUTER]..."


@dataclass(frozen=True)
class Fault:
    arguments: str
    what: str
    action: Callable[[Lab], Callable[..., None]]  # returns the function that takes the arguments


FAULTS = {
    "wan-down": Fault("", "pull the WAN's cable", lambda lab: partial(lab.internet.wan_link, up=False)),
    "wan-up": Fault("", "plug it in again", lambda lab: partial(lab.internet.wan_link, up=True)),
    "renumber": Fault(
        NETWORK, f"give the WAN another network, such as {WAN4_NETWORKS[1]}", lambda lab: lab.internet.renumber
    ),
    "option121": Fault(
        ROUTES, "hand out these routes by the WAN's DHCP; none = no longer", lambda lab: lab.internet.set_option121
    ),
    "rogue-ra": Fault(
        "", "announce an IPv6 default route on the WAN", lambda lab: partial(lab.internet.set_rogue_ra, on=True)
    ),
    "no-rogue-ra": Fault("", "no longer", lambda lab: partial(lab.internet.set_rogue_ra, on=False)),
    "vpn-stop": Fault(SERVER, "a VPN server dies", lambda lab: lab.vpn.stop),
    "vpn-start": Fault(SERVER, "and lives again", lambda lab: lab.vpn.start),
    "vpn-mute": Fault(SERVER, "its packets get lost on the way", lambda lab: partial(lab.vpn.mute, mute=True)),
    "vpn-unmute": Fault(SERVER, "no longer", lambda lab: partial(lab.vpn.mute, mute=False)),
}


def listing() -> str:
    return "\n".join(f"  {f'{name} {fault.arguments}':34}{fault.what}" for name, fault in FAULTS.items())


def inject(ident: str, name: str, arguments: Sequence[str]) -> None:
    """Inject a fault into a running lab. Raises LabError, before anything is changed, if the arguments do not fit."""
    fault = FAULTS[name]
    match fault.arguments:
        case "SERVER":
            fits = len(arguments) == 1 and arguments[0] in VPNS
        case "NETWORK":
            fits = len(arguments) == 1 and re.fullmatch(r"\d{1,3}(\.\d{1,3}){2}", arguments[0]) is not None
        case "":
            fits = not arguments
        case _:
            fits = len(arguments) % 2 == 0
    if not fits:
        raise LabError(f"fault {name} {fault.arguments}; servers: {' '.join(VPNS)}; network: three numbers with dots")
    fault.action(Lab.attach(ident))(*arguments)
