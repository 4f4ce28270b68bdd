"""``python -m tests.support.fake_netd PATH``: the real protocol on a real socket, in front of the fake gateway."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from app import ipc
from tests.support.fake_gateway import FakeGateway


async def main(path: Path) -> None:
    server = await ipc.Server(FakeGateway(), path, {os.getuid()}).start()
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
