"""The process that faces the LAN: Quart on Hypercorn, without capabilities or keys."""
