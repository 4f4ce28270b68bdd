"""Sends UDP echoes at 1 kHz from inside a host; prints the longest gap between answers, less the interval, in ms.

Prints ``running`` after the first answers; runs until standard input has ended and answers arrive again.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
import time

INTERVAL = 0.001  # seconds
AFTER = 0.5  # seconds to go on after the switch
LIMIT = 30.0


def main() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((sys.argv[1], 9))
    sock.setblocking(False)
    over = threading.Event()
    began = time.monotonic()

    def until_stdin_ends() -> None:
        sys.stdin.buffer.read()
        over.set()

    last = 0.0
    longest = 0.0
    answers = 0
    ended = 0.0
    following = began
    while time.monotonic() - began < LIMIT:
        now = time.monotonic()
        if now >= following:
            following = max(following + INTERVAL, now - 5 * INTERVAL)
            try:
                sock.send(b"probe")
            except OSError:
                pass  # blocked: this is the gap being measured
        if select.select([sock], [], [], max(0.0, following - time.monotonic()))[0]:
            try:
                while True:
                    sock.recv(100)
                    now = time.monotonic()
                    if answers > 100:
                        longest = max(longest, now - last)
                    last = now
                    answers += 1
                    if answers == 100:
                        print("running", flush=True)
                        threading.Thread(target=until_stdin_ends, daemon=True).start()
            except OSError:
                pass
        if over.is_set():
            ended = ended or time.monotonic()
            if time.monotonic() - ended > AFTER and time.monotonic() - last < 10 * INTERVAL:
                break
    print(max(0.0, (longest - INTERVAL) * 1000))


if __name__ == "__main__":
    main()
