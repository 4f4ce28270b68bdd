"""The capturing process: it sends netd's probes into the LAN and watches ports with packet sockets; stdlib alone."""
