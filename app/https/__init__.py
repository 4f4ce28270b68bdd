"""HTTPS for netd: one request a connection, over sockets that the caller opens and marks."""
