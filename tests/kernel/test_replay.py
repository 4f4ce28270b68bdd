"""The answer of a WireGuard server to a clock that was set back, measured with handshakes of chosen times.

The machine's clock stays as it is: the first message of a handshake is made here (WireGuard's paper, 5.4.2), with the
timestamp that a clock set back would put into it. What the server refuses, it does not answer.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from app.keys import decode_key, generate
from tests.kernel.namespace import inside, run, until

pytestmark = pytest.mark.kernel

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
TAI = 2**62 + 10  # of a TAI64 label; which leap seconds it counts is the same for all of one sender's
FLOOD = 0.06  # seconds; sooner than 50 ms after the last one, a handshake is refused whatever its time


def digest(data: bytes) -> bytes:
    return hashlib.blake2s(data).digest()


def derive(key: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Two keys (HKDF with BLAKE2s)."""
    secret = hmac.digest(key, data, hashlib.blake2s)
    first = hmac.digest(secret, b"\1", hashlib.blake2s)
    return first, hmac.digest(secret, first + b"\2", hashlib.blake2s)


def initiation(own: X25519PrivateKey, server: bytes, when: float) -> bytes:
    """The message that opens a handshake at ``when`` (Unix time)."""
    ephemeral, public = X25519PrivateKey.generate(), own.public_key().public_bytes_raw()
    begin = ephemeral.public_key().public_bytes_raw()
    peer = X25519PublicKey.from_public_bytes(server)
    chain = digest(CONSTRUCTION)
    transcript = digest(digest(digest(chain + IDENTIFIER) + server) + begin)
    chain, _ = derive(chain, begin)
    chain, key = derive(chain, ephemeral.exchange(peer))
    static = ChaCha20Poly1305(key).encrypt(bytes(12), public, transcript)
    transcript = digest(transcript + static)
    chain, key = derive(chain, own.exchange(peer))
    stamp = struct.pack(">QI", TAI + int(when), int(when % 1 * 1e9))
    stamped = ChaCha20Poly1305(key).encrypt(bytes(12), stamp, transcript)
    message = struct.pack("<I", 1) + os.urandom(4) + begin + static + stamped
    mac = hashlib.blake2s(message, key=digest(b"mac1----" + server), digest_size=16).digest()
    return message + mac + bytes(16)


class Server:
    """wireguard-go on a loopback port, that knows one client."""

    def __init__(self, directory: Path) -> None:
        pair, client = generate(), generate()
        self.public = decode_key(pair.public_key)
        self.client = X25519PrivateKey.from_private_bytes(decode_key(client.private_key.reveal()))
        self._process = subprocess.Popen(["wireguard-go", "-f", "wgreplay"], stdout=subprocess.DEVNULL)
        self._key = directory / "key"
        self._key.write_text(pair.private_key.reveal())
        self._peer = client.public_key
        self._last = 0.0

    async def up(self) -> None:
        await until(lambda: Path("/run/wireguard/wgreplay.sock").exists())
        run(f"wg set wgreplay listen-port 51999 private-key {self._key} peer {self._peer} allowed-ips 10.9.9.2/32")
        run("ip link set wgreplay up")

    def takes(self, when: float) -> bool:
        """Whether a handshake of that time is answered."""
        time.sleep(max(0.0, self._last + FLOOD - time.monotonic()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            sock.sendto(initiation(self.client, self.public, when), ("127.0.0.1", 51999))
            self._last = time.monotonic()
            try:
                return sock.recv(999)[:4] == b"\2\0\0\0"
            except TimeoutError:
                return False

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@inside
async def test_a_server_refuses_a_clock_set_back_until_it_caught_up(tmp_path: Path) -> None:
    """A server refuses a client whose clock was set back, for as long as the clock was ahead."""
    run("ip link set lo up")
    server = Server(tmp_path)
    try:
        await server.up()
        now = time.time()
        assert server.takes(now + 110), "the first handshake, of a clock that starts 110 s ahead"
        assert not server.takes(now), "NTP has set it back"
        assert not server.takes(now + 60), "a minute later"
        assert server.takes(now + 111), "110 s later"
        assert not server.takes(now + 111), "the very same once more"
    finally:
        server.close()
