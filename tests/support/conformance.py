"""Schemathesis against a running gateway: every operation of its own description, with data it allows and data it does
not, and all checks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A status that a case made from the description may rightly get, beyond those that Schemathesis knows: 422 where the
# meaning of a value is at fault and not its form (a key that is no point of the curve, two filters that exclude each
# other), 426 at the one path that speaks WebSocket only, and 429 where earlier passwords locked the sign-in. Of data
# that it does not allow, the largest get 413.
CONFIG = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "426", "429"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "426", "429"]
"""


class Report:
    def __init__(self, output: str, events: Path, returncode: int) -> None:
        self.output = output
        self.returncode = returncode
        self.statuses: dict[str, Counter[int]] = {}
        for scenario in _scenarios(events):
            if " /" not in scenario["label"]:  # a sequence of several operations, which are counted one by one
                continue
            counts = self.statuses.setdefault(scenario["label"], Counter())
            method = scenario["label"].partition(" ")[0]
            for case in scenario.get("interactions", {}).values():
                if case.get("response") and case["request"]["method"] == method:  # others are tried as well
                    counts[case["response"]["status_code"]] += 1

    @property
    def cases(self) -> int:
        return sum(counts.total() for counts in self.statuses.values())

    def never_accepted(self) -> set[str]:
        """Operations none of whose requests was accepted: of those, little was seen."""
        return {label for label, counts in self.statuses.items() if not any(200 <= s < 300 for s in counts)}

    def server_errors(self) -> dict[str, list[int]]:
        found = {label: [s for s in counts if s >= 500] for label, counts in self.statuses.items()}
        return {label: statuses for label, statuses in found.items() if statuses}


def _scenarios(events: Path) -> Iterator[dict[str, Any]]:
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if "ScenarioFinished" in event and (recorder := event["ScenarioFinished"].get("recorder")):
            yield recorder


# An archive is sent as the bytes that it is.
COMMAND = """
import schemathesis
schemathesis.serializer.alias("application/zip", "application/octet-stream")
from schemathesis.cli import schemathesis as command
command()
"""


def run(
    directory: Path, url: str, examples: int, *options: str, headers: dict[str, str] | None = None, timeout: float = 250
) -> Report:
    """At most ``examples`` generated cases an operation, besides those derived from the description's limits."""
    config, events = directory / "schemathesis.toml", directory / "events.ndjson"
    config.write_text(CONFIG)
    command = [sys.executable, "-c", COMMAND]
    command += ["--config-file", str(config), "--no-color", "run", f"{url}/api/openapi.json"]
    command += ["--checks", "all", "--mode", "all", "--max-examples", str(examples), "--continue-on-failure"]
    command += ["--generation-database", "none", "--report", "ndjson", "--report-ndjson-path", str(events)]
    command += [part for name, value in (headers or {}).items() for part in ("--header", f"{name}: {value}")]
    done = subprocess.run(
        [*command, *options], cwd=directory, capture_output=True, text=True, timeout=timeout, check=False
    )
    return Report(done.stdout + done.stderr, events, done.returncode)
