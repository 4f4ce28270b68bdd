"""The set-up without a screen: ``gateway.toml`` and ``*.conf`` come from the FAT partition, a report goes there."""
