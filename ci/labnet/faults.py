"""``ci/lab fault``: what can be broken by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from ci.labnet.addresses import VPNS, WAN4_NETWORKS
from ci.labnet.hosts import LabError
from ci.labnet.lab import Lab

SERVER, NETWORK, ROUTES = "SERVER", "NETWORK", "[NETWORK ROUTER]..."


class Fault(NamedTuple):
    arguments: str
    what: str
    act: Callable[..., None]


FAULTS = {
    "wan-down": Fault("", "pull the WAN's cable", partial(Lab.wan_link, up=False)),
    "wan-up": Fault("", "plug it in again", partial(Lab.wan_link, up=True)),
    "renumber": Fault(NETWORK, f"give the WAN another network, such as {WAN4_NETWORKS[1]}", Lab.renumber),
    "option121": Fault(ROUTES, "hand out these routes by the WAN's DHCP; none = no longer", Lab.set_option121),
    "rogue-ra": Fault("", "announce an IPv6 default route on the WAN", partial(Lab.set_rogue_ra, on=True)),
    "no-rogue-ra": Fault("", "no longer", partial(Lab.set_rogue_ra, on=False)),
    "vpn-stop": Fault(SERVER, "a VPN server dies", Lab.stop_vpn),
    "vpn-start": Fault(SERVER, "and lives again", Lab.start_vpn),
    "vpn-mute": Fault(SERVER, "its packets get lost on the way", partial(Lab.vpn_mute, mute=True)),
    "vpn-unmute": Fault(SERVER, "no longer", partial(Lab.vpn_mute, mute=False)),
}


def listing() -> str:
    return "\n".join(f"  {f'{name} {fault.arguments}':34}{fault.what}" for name, fault in FAULTS.items())


def break_it(ident: str, name: str, arguments: Sequence[str]) -> None:
    """Raises LabError where the arguments do not fit; then nothing was done."""
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
    fault.act(Lab.attach(ident), *arguments)
