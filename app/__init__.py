"""VPN Gateway: every device of the LAN reaches the Internet through WireGuard, or not at all."""

__version__ = "0.1.0"
