"""Exceptions that the kernel ends by itself: elements with a timeout, and the rules that look them up (pure).

A device with an exception gets its number as mark, in one look-up; a packet and its connection cannot disagree. The
connection keeps the number. A second map, without timeouts, gives the mark of the policy for it. So when the element's
time is over, with or without netd:

* the next packet of the device has its standing mark, by which it is routed and judged; a connection that was
  translated for another link is then ended by the kernel (masquerade) or refused as the middle of an unknown one;
* what comes in for a connection with the number is no longer accepted, also where the device sends nothing;
* no such connection is in the flowtable, where neither would be seen;
* where nobody else is direct, the resolver for those devices sends no query in the clear any more, not even one that it
  was asked before: its packets get their mark from a map of elements with the same timeout.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.network.plan import (
    DIRECT_RESOLVERS,
    MARK_BLOCKED,
    MARK_DIRECT,
    MARK_EXCEPTION,
    MAX_EXCEPTIONS,
    TimedElement,
    exception_mark,
    resolver_vips,
)
from app.network.policy import FAMILIES, Excepted, View
from app.network.ruleset.matches import lan_hosts
from app.network.ruleset.syntax import collection, hex_mark, ip_word

NUMBER_OF_EXCEPTION = "meta mark set ether saddr map @exception"
_NUMBERS = f"{MARK_EXCEPTION}-{MARK_EXCEPTION + MAX_EXCEPTIONS - 1}"
EXCEPTION_MARK = f"meta mark {_NUMBERS} meta mark set meta mark map @exception_mark"  # most have none to look up
OF_AN_EXCEPTION = f"ct mark {_NUMBERS}"


def exception_collections(view: View) -> Iterator[str]:
    """The collections; those with timeouts are filled by :func:`timed_elements`."""
    yield collection("map", "exception", "ether saddr : meta mark", (), "timeout")
    marks = (f"{hex_mark(exception_mark(e.slot))} : {hex_mark(e.mark)}" for e in view.exceptions)
    yield collection("map", "exception_mark", "meta mark : meta mark", marks)
    yield collection("set", "exception_return", "iifname . ct mark", (), "timeout")
    for family in FAMILIES:
        yield collection("map", f"resolver_exception{family}", f"{ip_word(family)} daddr : meta mark", (), "timeout")


def returns(view: View) -> list[str]:
    """The rules for what comes back to a device with an exception."""
    match = "iifname . ct mark @exception_return"
    return [f"{match} {host} ct state established,related accept" for host in lan_hosts(view)]


def resolver_marks() -> list[str]:
    """The rules that mark the gateway's queries for devices that go out directly because of an exception alone."""
    return [f"meta mark set {ip_word(f)} daddr map @resolver_exception{f}" for f in FAMILIES]


def timed_elements(view: View) -> Iterator[TimedElement]:
    direct = [one.deadline for one in view.exceptions if one.mark == MARK_DIRECT]
    if direct and not view.direct_stands:
        for family in FAMILIES:
            for vip in resolver_vips(DIRECT_RESOLVERS, family):
                yield TimedElement(f"resolver_exception{family}", (vip,), MARK_DIRECT, max(direct))
    for one in view.exceptions:
        if one.mark == MARK_BLOCKED:
            continue
        number = exception_mark(one.slot)
        for mac in one.macs:
            yield TimedElement("exception", (mac,), number, one.deadline)
        for link in _links(view, one):
            yield TimedElement("exception_return", (f'"{link}"', number), None, one.deadline)


def _links(view: View, one: Excepted) -> list[str]:
    if one.mark == MARK_DIRECT:
        return [view.wan.name] if view.wan is not None else []
    return [t.interface for e in view.exits if e.mark == one.mark for t in e.carrying]
