"""The nftables text of a plan: one transaction that replaces the whole table (pure).

The text uses a small part of the language, which the packet tracer (:mod:`app.packet_trace`) reads and nftables 1.0.6
and later load. Interfaces are matched by name, because a tunnel may come and go while a ruleset is loaded.

Chains named like hooks are base chains; the others are reached from them. The chains depend on the ports and the LAN
alone. Maps and sets hold all else, so that a thousand devices and 32 exits cost one look-up each, and a device's
policy, a tunnel or a resolver that changes is a change of elements (:mod:`app.network.nft_delta`).
"""

from __future__ import annotations

from app.network.plan import NFT_TABLE, PlanInput
from app.network.policy import View
from app.network.ruleset.allowlists import allowlists
from app.network.ruleset.forward import forward_chains
from app.network.ruleset.input import input_chains
from app.network.ruleset.output import output_chains
from app.network.ruleset.postrouting import postrouting_chains
from app.network.ruleset.prerouting import prerouting_chains
from app.network.ruleset.refusals import counters, refusal_chains
from app.network.ruleset.sets import sets_and_maps
from app.network.ruleset.sources import source_chains


def ruleset(inputs: PlanInput, view: View) -> str:
    """The text for ``nft -f``: creates the table where there is none, and replaces it in the same transaction."""
    body = [
        *counters(),
        *sets_and_maps(inputs, view),
        *allowlists(inputs, view),
        *refusal_chains(),
        *source_chains(view),
        *prerouting_chains(view),
        *input_chains(inputs, view),
        *forward_chains(inputs, view),
        *output_chains(view),
        *postrouting_chains(view),
    ]
    table = f"table inet {NFT_TABLE}"
    inner = ("\t" + "\n".join(body).replace("\n", "\n\t")).replace("\t\n", "\n")
    return f"{table} {{ }}\ndelete {table}\n{table} {{\n{inner}\n}}\n"
