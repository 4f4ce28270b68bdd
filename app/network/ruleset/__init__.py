"""The nftables text of a plan."""

from app.network.ruleset.table import ruleset

__all__ = ["ruleset"]
