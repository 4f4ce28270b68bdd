"""WireGuard interfaces behind one protocol, whichever implementation the machine has."""
