"""dnsmasq's configuration files for a LAN (pure). dnsmasq(8).

* ``lan``: DHCP, router advertisements, and the LAN's own names. It has no upstream resolver, so it gives no address
  for any other name; a blocked device gets its answers from here alone.
* ``exit-N``: forwards exit N's queries to virtual addresses that nftables translates to the tunnel's resolvers, so a
  switch of tunnel changes nothing here. The resolvers are asked in the order in which the server names them; a query
  that is repeated goes to the next. Queries for LAN names go to ``lan``.
* ``waiting``: the gateway's own names, for devices that wait for their admission; runs only while there may be any.
* ``direct``: the same as ``exit-N`` for devices with the ``direct`` policy; runs only while a device has it. The WAN's
  resolvers are alike, so dnsmasq stays with the one that answered first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Interface

import msgspec
from msgspec import Struct

from app.admission import any_waits
from app.exit_settings import numbered
from app.lan import RESERVED_NAMES
from app.model import LanSettings, Links, Settings
from app.network.dhcp_hosts import REGULAR, given_names, reservations
from app.network.plan import DIRECT_RESOLVERS, RESOLVER_PORT_BASE, WAITING_RESOLVER_PORT, resolver_vips

FIRST_LEASE = 300  # seconds at most, for a device that was not here before
RESERVE = 10  # the part of the range kept for devices that were here before: one in ten addresses
CACHE_SECONDS = 120  # short, because a cached answer may come from the exit before this one


_MOVED = "# the leases were moved with the clock: "


def moved_in(text: str) -> str:
    """The :attr:`Paths.moved` of the configuration ``text``."""
    return next((line.removeprefix(_MOVED) for line in text.splitlines() if line.startswith(_MOVED)), "")


class Paths(Struct, frozen=True):
    """The files that dnsmasq keeps over a restart."""

    leases: str
    hosts: str  # the directory of app.network.dhcp_hosts
    moved: str = ""  # identifies a change of the lease file by us: with another text dnsmasq is restarted and reads it


def reserved_names(lan: LanSettings) -> tuple[str, ...]:
    """The names that no device may have."""
    return (lan.hostname, *RESERVED_NAMES)


def first_lease_time(lan: LanSettings) -> int:
    """The duration of a device's first lease in seconds."""
    return min(FIRST_LEASE, lan.lease_time)


def newcomers_end(lan: LanSettings) -> IPv4Address:
    """The last address of DHCP's range that a device gets which was not here before."""
    return lan.dhcp_end - (int(lan.dhcp_end) - int(lan.dhcp_start) + 1) // RESERVE


def lan_services(lan: LanSettings, links: Links) -> LanSettings:
    """``lan`` with DHCP on or off. By default it is on, except on a wire shared with the WAN, which has a server."""
    if lan.dhcp_enabled is not None:
        return lan
    shared = links.wan is not None and any(link.name == links.wan.name for link in links.lan)
    return msgspec.structs.replace(lan, dhcp_enabled=not shared)


def render(
    settings: Settings, lan: LanSettings, lan_link: str, *, ipv6_default: bool, direct: bool, paths: Paths
) -> dict[str, str]:
    """Configuration texts by instance. ``ipv6_default``: whether an IPv6 default route is advertised.

    ``lan`` is that of ``settings``, with DHCP decided (:func:`lan_services`).
    """
    texts = {"lan": _text(_lan(settings, lan, lan_link, ipv6_default, paths))}
    exceptions = settings.rebind_exceptions
    for index, _ in numbered(settings):  # by number alone: with another name nothing is restarted
        texts[f"exit-{index}"] = _text(_forwarder(lan, lan_link, index, f"exit {index}", exceptions))
    if direct:
        texts["direct"] = _text(_forwarder(lan, lan_link, DIRECT_RESOLVERS, "devices that go out directly", exceptions))
    if any_waits(settings):
        texts["waiting"] = _text(_waiting(lan, lan_link))
    return texts


def _text(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _common(lan: LanSettings, lan_link: str) -> Iterator[str]:
    yield "# Written by the gateway from its settings; changes here are lost."
    yield "no-resolv"
    yield "no-hosts"
    yield "bind-dynamic"
    yield f"interface={lan_link}"
    yield "interface=lo"
    yield "domain-needed"
    # In every instance: with domain-needed a name without a domain goes to no other resolver.
    addresses = [str(lan.address.ip)] + ([str(lan.ula.ip)] if lan.ula else [])
    yield f"host-record={lan.hostname}.{lan.domain},{lan.hostname},{','.join(addresses)}"


def _lan(settings: Settings, lan: LanSettings, lan_link: str, ipv6_default: bool, paths: Paths) -> Iterator[str]:
    yield from _common(lan, lan_link)
    yield "port=53"
    yield f"domain={lan.domain}"
    yield f"local=/{lan.domain}/"
    yield "expand-hosts"
    if lan.dhcp_enabled is False:
        return  # no router advertisements either: another server configures the hosts of this network
    yield from _dhcp4(lan, paths)
    # The addresses are in the records. dnsmasq reads a record anew, but for its address, so it has to be restarted.
    for mac, address in sorted(reservations(settings.devices, lan).items()):
        yield f"# {mac} has {address}"
    yield from _names(settings, lan)
    if lan.ula:
        yield from _advertisements(lan, lan.ula, lan_link, ipv6_default)


def _waiting(lan: LanSettings, lan_link: str) -> Iterator[str]:
    """The resolver of devices that wait, which tells them no other device's name."""
    yield from _common(lan, lan_link)
    yield f"port={WAITING_RESOLVER_PORT}"
    yield f"local=/{lan.domain}/"


def _dhcp4(lan: LanSettings, paths: Paths) -> Iterator[str]:
    yield "dhcp-authoritative"
    yield "no-ping"  # netd knows which addresses are in use, from ARP, which every device answers
    yield f"dhcp-leasefile={paths.leases}"
    if paths.moved:
        yield _MOVED + paths.moved
    yield f"dhcp-hostsdir={paths.hosts}"
    start, end, mask = lan.dhcp_start, lan.dhcp_end, lan.address.netmask
    yield f"dhcp-range=tag:{REGULAR},{start},{end},{mask},{lan.lease_time}s"
    yield f"dhcp-range=tag:!{REGULAR},{start},{newcomers_end(lan)},{mask},{first_lease_time(lan)}s"
    yield f"dhcp-option=option:router,{lan.address.ip}"
    yield f"dhcp-option=option:dns-server,{lan.address.ip}"
    yield f"dhcp-option=option:domain-search,{lan.domain}"


def _names(settings: Settings, lan: LanSettings) -> Iterator[str]:
    """The names that no device gets by asking for them, by option 12 or 81, with or without a domain."""
    given = given_names(settings.devices, reserved_names(lan)).values()
    for name in (*reserved_names(lan), *given):
        yield f"dhcp-name-match=set:reserved,{name}"
        yield f"dhcp-name-match=set:reserved,{name}.*"
    yield "dhcp-ignore-names=tag:reserved"


def _advertisements(lan: LanSettings, ula: IPv6Interface, lan_link: str, ipv6_default: bool) -> Iterator[str]:
    yield "enable-ra"
    yield f"dhcp-range={ula.network.network_address},ra-stateless,ra-names,64"
    yield f"dhcp-option=option6:dns-server,[{ula.ip}]"
    yield f"dhcp-option=option6:domain-search,{lan.domain}"  # also in advertisements (RFC 8106, DNSSL)
    # A router lifetime of 0 announces addresses and names without a default route (RFC 4861, 4.2).
    yield f"ra-param={lan_link},30,{1800 if ipv6_default else 0}"


def _forwarder(lan: LanSettings, lan_link: str, index: int, purpose: str, exceptions: Iterable[str]) -> Iterator[str]:
    yield from _common(lan, lan_link)
    yield f"# for {purpose}"
    yield f"port={RESOLVER_PORT_BASE + index + 1}"
    if index != DIRECT_RESOLVERS:
        yield "strict-order"
    # A resolver has one of the two addresses in its place; the firewall refuses the other, and the next is asked.
    for six, four in zip(resolver_vips(index, 6), resolver_vips(index, 4), strict=True):
        yield f"server={six}"
        yield f"server={four}"
    yield f"server=/{lan.domain}/127.0.0.1#53"
    for network in lan.networks:
        yield f"rev-server={network},127.0.0.1#53"
    yield "bogus-priv"
    # DNS rebinding: a web site must not reach devices of the LAN, or a device itself, under a name of its own.
    yield "stop-dns-rebind"
    for domain in (lan.domain, *exceptions):
        yield f"rebind-domain-ok=/{domain}/"
    yield "cache-size=2000"
    yield f"max-cache-ttl={CACHE_SECONDS}"
    yield "dns-forward-max=500"
