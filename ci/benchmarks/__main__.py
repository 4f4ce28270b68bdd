"""``make bench``, or ``ci/bench NAME...`` for some: prints a table.

The exit status is 0 even if a target is missed, since that is a finding.
"""

from __future__ import annotations

import sys
from types import ModuleType

from ci.benchmarks import connect, memory, page, providers, rulesets, switch, throughput
from ci.benchmarks.result import Result
from ci.labnet import Lab, LabError
from ci.labnet.signals import end_in_order

MODULES = (connect, switch, rulesets, memory, page, throughput, providers)


def _chosen() -> list[ModuleType]:
    """The benchmarks named in the arguments; all where none is."""
    wanted = sys.argv[1:]
    return [m for m in MODULES if not wanted or m.__name__.rpartition(".")[2] in wanted]


def main() -> int:
    results: list[Result] = []
    lab = Lab("bench")
    lab.gateway.owned = True
    end_in_order()
    try:
        print("==> the lab", flush=True)
        lab.up()
        for module in _chosen():
            print(f"==> {module.__name__.rpartition('.')[2]}", flush=True)
            results += module.measure(lab)
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        lab.down()
    print(f"\n{'what':72} {'ours':>11} {'beside':>11} {'result':>9} {'target':>8}")
    for result in results:
        print(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
