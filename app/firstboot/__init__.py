"""The headless set-up: reads ``gateway.toml`` and ``*.conf`` from the FAT partition and writes a report there."""
