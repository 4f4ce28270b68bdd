"""``vpn-gateway``: the command line, over the same HTTP API as everybody else; it runs anywhere Python does."""
