"""Probes of a device of the LAN, what they look like on the wire, and what follows from where they are seen (pure)."""
