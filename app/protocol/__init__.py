"""The protocol between netd and its clients (web, set-up, tests): typed values, no I/O."""
