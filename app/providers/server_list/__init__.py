"""The server list of a provider: fetched, validated entry by entry, cached on disk and searched."""
