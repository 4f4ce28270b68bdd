"""First boot without a screen: take ``gateway.toml`` and ``*.conf`` from the FAT partition; report there."""
