"""The command line ``vpn-gateway``: a client of the HTTP API that runs wherever Python does."""
