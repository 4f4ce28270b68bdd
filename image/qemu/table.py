"""table.py IMAGE LOGS: what a run of the tests has measured, as a table, beside the limits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

MB = 1e6


def main(image: Path, logs: Path) -> None:
    lines = [json.loads(line) for line in (logs / "measured.jsonl").read_text().splitlines()]
    packed = image.with_suffix(".img.xz")
    sizes = [
        {"name": "image, to download (.img.xz)", "value": packed.stat().st_size / MB, "unit": "MB", "limit": 250},
        {"name": "image, raw", "value": image.stat().st_size / MB, "unit": "MB", "limit": None},
    ]
    for line in sizes + lines:
        limit = "" if line["limit"] is None else f"<= {line['limit']:g} {line['unit']}"
        value = f"{line['value']:.6g}" if line["value"] == int(line["value"]) else f"{line['value']:.2f}"
        sys.stdout.write(f"{line['name']:<48} {value:>9} {line['unit']:<3} {limit}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
