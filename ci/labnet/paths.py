"""The paths of the lab's files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/var/lib/vpn-gateway-lab")  # not below /run, which is private to every host
PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
