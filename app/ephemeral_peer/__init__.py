"""Mullvad's exchange of a post-quantum preshared key with a relay, from inside the tunnel to it.

The relay's service ``EphemeralPeer`` is gRPC over HTTP/2 without TLS: the tunnel protects it. The gateway sends a new
WireGuard key and an ML-KEM-1024 key (FIPS 203); the relay adds a peer with that WireGuard key and answers a ciphertext,
whose secret is the new peer's preshared key. The source is ``ephemeralpeer.proto`` of mullvad/mullvadvpn-app.

A relay has one ephemeral peer for each registered key, and has either of both loaded: a handshake by the registered key
unloads the ephemeral one, and the reverse.
"""
