"""The server list of a provider: fetched, judged entry by entry, kept on disk and looked up."""
