"""What this kernel can do beyond the least we need."""

from __future__ import annotations

from app.errors import KernelError
from app.network import nft

_TRY = """
table inet vpn_gateway_probe {
	flowtable probe {
		hook ingress priority filter
		devices = { "lo" }
	}
}
delete table inet vpn_gateway_probe
"""


async def has_flowtable() -> bool:
    """Whether nf_flow_table is there, by loading one that the same transaction takes away again."""
    try:
        await nft.load(_TRY)
    except KernelError:
        return False
    return True
