"""WireGuard interfaces behind one protocol, for both implementations."""
