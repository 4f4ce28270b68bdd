"""Where the lab's files are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/var/lib/vpn-gateway-lab")  # not below /run, of which every host has its own
PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
