"""Tests of a built image need one: image/qemu/test names it in VPN_GATEWAY_IMAGE. The others need nothing."""

from __future__ import annotations

import os

collect_ignore = [
    *([] if "VPN_GATEWAY_IMAGE" in os.environ else ["booted"]),
    *([] if {"VPN_GATEWAY_IMAGE", "VPN_GATEWAY_ROOT"} & set(os.environ) else ["test_root.py"]),
    *([] if "VPN_GATEWAY_IMAGE" in os.environ else ["test_boards.py"]),
]
