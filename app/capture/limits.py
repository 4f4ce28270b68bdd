"""What the capturing process does at most, whoever asks: its cost is bounded by these numbers alone (pure)."""

from __future__ import annotations

DEVICE = "canary1"  # the only interface that frames are sent on: the device's end of the cable into the LAN

MARK = 0x30  # app.network.plan.MARK_CANARY, by which the firewall knows the frames

REQUEST_BYTES = 256 * 1024
JOBS = 4  # at once; a further one is refused
TAPS = 48  # packet sockets of one job
FRAMES = 64  # of one job
FRAME_BYTES = 1514
NEEDLES = 128
NEEDLE_BYTES = 4, 64
SECONDS = 15.0  # that one job lasts
PACKETS = 4000  # that one tap looks at; then it is deaf, and says so
SAMPLES = 4  # packets of a tap that are kept as evidence
SAMPLE_BYTES = 128
RECEIVE_BYTES = 1024  # of a packet; the filters cut them shorter
BUFFER_BYTES = 256 * 1024  # of a socket
