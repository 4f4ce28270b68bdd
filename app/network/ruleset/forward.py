"""The forward chains, for packets between the LAN and the outside (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.plan import MARK_WAITING, PlanInput
from app.network.policy import View
from app.network.ruleset.exceptions import OF_AN_EXCEPTION, returns
from app.network.ruleset.matches import PORT53, from_lan, lan_hosts
from app.network.ruleset.refusals import drop, refuse
from app.network.ruleset.sets import MAX_CONNECTIONS
from app.network.ruleset.syntax import base, chain, hex_mark

_CLAMP = "tcp flags & (syn | rst) == syn jump clamp"
_EXIT = "meta mark . oifname vmap @exit_forward"
# What most packets are: they meet the one rule that decides, and no other. DNS is not among them.
_ESTABLISHED = "ct state established th dport != 53"


def forward_chains(inputs: PlanInput, view: View) -> Iterator[str]:
    """Every outbound packet is checked by its mark and interface; there is no general "established" rule."""
    yield chain("clamp", _clamp())
    rules = [f"{match} goto forward_lan" for match in from_lan(view)]
    rules.append(_CLAMP)
    rules += [f"iifname . ct mark @exit_return {m} ct state established,related accept" for m in lan_hosts(view)]
    rules += returns(view)
    rules.append(drop("forward"))
    yield chain("forward", rules, hook=base("filter", "forward", "filter", "drop"))

    # Untracked, such as listener reports (ICMPv6 130 to 143): they would leave with their own source.
    # Also to the LAN's other devices, by way of the gateway; the bridge's table has the frames that pass it by.
    out = [
        f"{_ESTABLISHED} {_EXIT}",
        "ct state invalid,untracked goto drop_invalid",
        _CLAMP,
        f"meta mark {hex_mark(MARK_WAITING)} {refuse('waiting')}",
    ]
    out += [f"{m} accept" for m in lan_hosts(view)]
    out.append(f"{PORT53} {refuse('dns')}")
    # What is left of a connection whose exit has changed ends at once, instead of being retried for a minute; and no
    # segment of it passes by the new way. Linux takes such a segment for the first of a new connection.
    out.append(f"ct state new tcp flags & (fin | syn | rst | ack) != syn {refuse('midstream')}")
    out.append(f"ct state new add @connections {{ ether saddr ct count over {MAX_CONNECTIONS} }} {refuse('too_many')}")
    out.append(_EXIT)
    out.append(refuse("forward"))
    yield chain("forward_lan", out)
    # What an exception opened is never offloaded either: those packets would not see its end.
    fast = inputs.flowtable and view.lan_names
    offload = (
        [f"{OF_AN_EXCEPTION} accept", "meta l4proto { tcp, udp } ct state established flow add @fast"] if fast else []
    )
    yield chain("forward_pass", (*offload, "accept"))


def _clamp() -> Iterator[str]:
    """MSS clamping to the tunnel's MTU less 40 bytes, or 60 for IPv6, in both directions (RFC 879). Never raised."""
    yield from (f"tcp option maxseg size set meta nfproto . {link} map @mss" for link in ("oifname", "iifname"))
