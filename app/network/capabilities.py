"""Optional capabilities of the running kernel."""

from __future__ import annotations

from app.errors import KernelError
from app.network import nft

_PROBE = """
table inet vpn_gateway_probe {
	flowtable probe {
		hook ingress priority filter
		devices = { "lo" }
	}
}
delete table inet vpn_gateway_probe
"""


async def has_flowtable() -> bool:
    """Whether the kernel has nf_flow_table: a flowtable is created and deleted in one transaction."""
    try:
        await nft.load(_PROBE)
    except KernelError:
        return False
    return True
