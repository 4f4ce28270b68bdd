"""The addresses of the lab, from the documentation ranges (RFC 5737, RFC 3849), so that none is a real host's."""

from __future__ import annotations

LAN_HOSTS = {"laptop": "02:00:00:00:00:11", "phone": "02:00:00:00:00:12", "tv": "02:00:00:00:00:13"}
GATEWAY_LAN4 = "192.168.77.1"

WAN4_NETWORKS = ("192.168.1", "192.168.43")  # before and after a renumbering; .1 is the ISP's router
WAN6_PREFIX = "2001:db8:1"

INTERNET4, INTERNET6 = "203.0.113.80", "2001:db8:80::80"
INTERNET_DNS4 = "203.0.113.53"

# name -> (public IPv4, public IPv6, the tunnel's IPv4 /24 and IPv6 /64 prefixes, location)
VPNS = {
    "vpn-se": ("198.51.100.10", "2001:db8:5e::10", "10.64.0", "fd00:64:0:5e", "Stockholm, Sweden"),
    "vpn-de": ("192.0.2.20", "2001:db8:de::20", "10.65.0", "fd00:65:0:de", "Berlin, Germany"),
}
VPN_PORT = 51820
