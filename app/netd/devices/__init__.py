"""The devices of the LAN: who they are, whether they are here, and what people decide about each."""
