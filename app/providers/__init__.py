"""The providers: their APIs, accounts and server lists, and the servers that users add."""
