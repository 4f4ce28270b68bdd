"""Tests in booted/ need a built image: image/qemu/test names it in VPN_GATEWAY_IMAGE. The others need nothing."""

from __future__ import annotations

import os

collect_ignore = [] if "VPN_GATEWAY_IMAGE" in os.environ else ["booted"]
