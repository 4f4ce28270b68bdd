"""The gateway's keys of one exchange: a WireGuard key and an ML-KEM-1024 key, both new and never stored (pure).

With one algorithm the preshared key is its 32-byte secret; with several, Mullvad's relays take the XOR of theirs.
"""

from __future__ import annotations

import base64

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from app import keys
from app.ephemeral_peer.errors import ExchangeError
from app.ephemeral_peer.messages import decode_answer, encode_request
from app.model import Secret

ALGORITHM = "ML-KEM-1024"
CIPHERTEXT_BYTES = 1568  # FIPS 203, table 3


class Offer:
    """Makes the request, and the preshared key from the answer to it. Raises ExchangeError without ML-KEM."""

    def __init__(self) -> None:
        self._wireguard = keys.generate()
        try:
            self._kem = MLKEM1024PrivateKey.generate()
        except UnsupportedAlgorithm:
            raise ExchangeError(f"this system's cryptography has no {ALGORITHM}") from None

    @property
    def private_key(self) -> Secret:
        """The ephemeral peer's, for the tunnel's interface."""
        return self._wireguard.private_key

    def request(self, parent_key: str) -> bytes:
        """The request of the peer with the registered public key ``parent_key``."""
        kem_key = self._kem.public_key().public_bytes_raw()
        ephemeral_key = keys.decode_key(self._wireguard.public_key)
        return encode_request(keys.decode_key(parent_key), ephemeral_key, [(ALGORITHM, kem_key)])

    def accept(self, answer: bytes) -> Secret:
        """The preshared key that ``answer`` gives. Raises ExchangeError.

        A ciphertext of the right length always gives a key (FIPS 203, implicit rejection): whether the relay has the
        same is seen at the handshake with it.
        """
        ciphertexts = decode_answer(answer)
        if len(ciphertexts) != 1:
            raise ExchangeError(f"the relay answered {len(ciphertexts)} ciphertexts to one key")
        if len(ciphertexts[0]) != CIPHERTEXT_BYTES:
            raise ExchangeError(f"the relay's ciphertext has {len(ciphertexts[0])} bytes, not {CIPHERTEXT_BYTES}")
        return Secret(base64.b64encode(self._kem.decapsulate(ciphertexts[0])).decode())
