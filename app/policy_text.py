"""Policies as people write them: vpn, vpn:<exit>, direct, blocked (pure)."""

from __future__ import annotations

from typing import assert_never

from app.errors import InvalidFieldError
from app.model import DEFAULT_EXIT, BlockedPolicy, DirectPolicy, Policy, VpnPolicy, WaitingPolicy


def policy_text(policy: Policy | WaitingPolicy) -> str:
    match policy:
        case VpnPolicy(exit=name):
            return "vpn" if name == DEFAULT_EXIT else f"vpn:{name}"
        case DirectPolicy():
            return "direct"
        case BlockedPolicy():
            return "blocked"
        case WaitingPolicy():
            return "waiting"
        case _:
            assert_never(policy)


def parse_policy(text: str, field: str = "policy") -> Policy:
    """The policy that ``text`` names. Raises InvalidFieldError."""
    kind, colon, exit_name = text.partition(":")
    match kind, colon, exit_name:
        case "vpn", "", "":
            return VpnPolicy()
        case "vpn", ":", name if name:
            return VpnPolicy(name)
        case "direct", "", "":
            return DirectPolicy()
        case "blocked", "", "":
            return BlockedPolicy()
        case _:
            raise InvalidFieldError(f"{field}: one of vpn, vpn:<exit>, direct, blocked", field=field)
