"""The two messages of ``EphemeralPeer.RegisterPeerV1`` (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from app.ephemeral_peer.errors import ExchangeError
from app.ephemeral_peer.protobuf import decode_bytes, encode_bytes

PATH = "/ephemeralpeer.EphemeralPeer/RegisterPeerV1"

# EphemeralPeerRequestV1
_PARENT_KEY, _EPHEMERAL_KEY, _POST_QUANTUM_REQUEST = 1, 2, 3
_KEM_KEYS = 1  # of PostQuantumRequestV1
_ALGORITHM, _KEY_DATA = 1, 2  # of KemPubkeyV1
# EphemeralPeerResponseV1
_POST_QUANTUM_ANSWER = 1
_CIPHERTEXTS = 1  # of PostQuantumResponseV1


def encode_request(parent_key: bytes, ephemeral_key: bytes, kem_keys: Sequence[tuple[str, bytes]]) -> bytes:
    """The request to add ``ephemeral_key`` beside the registered ``parent_key``; ``kem_keys`` are (algorithm, key)."""
    offers = b"".join(
        encode_bytes(_KEM_KEYS, encode_bytes(_ALGORITHM, name.encode()) + encode_bytes(_KEY_DATA, key))
        for name, key in kem_keys
    )
    return (
        encode_bytes(_PARENT_KEY, parent_key)
        + encode_bytes(_EPHEMERAL_KEY, ephemeral_key)
        + encode_bytes(_POST_QUANTUM_REQUEST, offers)
    )


def decode_answer(message: bytes) -> tuple[bytes, ...]:
    """The ciphertexts, in the order of the request's keys. Raises ExchangeError where there is no such part."""
    # A message that comes in parts is their concatenation (protobuf's encoding, "Last One Wins").
    parts = [value for number, value in decode_bytes(message) if number == _POST_QUANTUM_ANSWER]
    if not parts:
        raise ExchangeError("the relay answered without a post-quantum part")
    return tuple(value for number, value in decode_bytes(b"".join(parts)) if number == _CIPHERTEXTS)
