"""The protocol between netd and its clients (web, set-up, tests): values alone, no I/O, no keys but where asked for one."""
