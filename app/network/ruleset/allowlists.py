"""The sets of what the gateway itself may send and be answered in the clear, on the WAN (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.addresses import Address, Family, collapse
from app.network.plan import PlanInput
from app.network.policy import FAMILIES, View
from app.network.ruleset.matches import endpoints
from app.network.ruleset.syntax import collection, ip_word, literal


def allowlists(inputs: PlanInput, view: View) -> Iterator[str]:
    clocks = inputs.time_servers if inputs.time_sync_uid is not None else ()
    sources = [a.ip for a in view.wan.addresses] if view.wan and view.direct else []
    for family in FAMILIES:
        ip = ip_word(family)
        transport = endpoints((p for t in view.tunnels for p in t.transport), family)
        yield collection("set", f"transport{family}", f"{ip} daddr . udp dport", transport)
        yield collection("set", f"lookup{family}", f"{ip} daddr", _addresses(inputs.lookup_servers, family))
        yield collection("set", f"clear_api{family}", f"{ip} daddr . tcp dport", endpoints(inputs.clear_api, family))
        times = _addresses(clocks, family)
        yield collection("set", f"time_server{family}", f"{ip} daddr", times)
        queries = (f"{inputs.time_sync_uid} . {a}" for a in times)
        yield collection("set", f"time_query{family}", f"meta skuid . {ip} daddr", queries)
        yield collection("set", f"direct_resolver{family}", f"{ip} daddr", _addresses(view.direct_resolvers, family))
        yield collection("set", f"direct_source{family}", f"{ip} saddr", _addresses(sources, family))
        inside = (a.ip for t in view.tunnels for a in t.addresses)
        outside = (a.ip for a in view.wan.addresses) if view.wan else ()
        yield collection("set", f"own_source{family}", f"{ip} saddr", _addresses((*inside, *outside), family))
        both = _addresses(view.addresses_on_both(family), family)
        verdicts = dict.fromkeys(_addresses(view.addresses_outside(family), family), "sources_own")
        verdicts |= dict.fromkeys(both, "sources_own" if view.direct else "sources_own_address")
        elements = (f"{a} : goto {name}" for a, name in sorted(verdicts.items()))
        yield collection("map", f"own_address{family}", f"{ip} daddr : verdict", elements)
        yield collection("set", f"own_address_direct{family}", f"{ip} daddr", both if view.direct else ())
    networks = collapse(a.network for a in (view.wan.addresses if view.wan else ()) if a.version == 6)
    links = (f'"{view.wan.name}" . {n}' for n in networks) if view.wan else ()
    yield collection("set", "wan_network6", "oifname . ip6 daddr", links, "interval")


def _addresses(found: Iterable[Address], family: Family) -> list[str]:
    return sorted({literal(a) for a in found if a.version == family})
