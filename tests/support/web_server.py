"""The web application on a real socket of the loopback, in a thread of its own, in front of a fake gateway."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from app import ipc
from app.api.auth.first_password import FirstPasswordWindow
from app.api.events import HUB
from app.api.limits import EXTENSION, Rates
from app.protocol.gateway import Gateway
from app.web import sockets
from app.web.app import create_app
from app.web.server import serve
from tests.support.fake_gateway import FakeGateway

T = TypeVar("T")


class Clock:
    """A clock that stands still until it is set: what counts by it does not depend on how busy the machine is."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class WebServer:
    """Tests ask faster than any client should: they are slowed down only where they ask for it, by ``rates``."""

    def __init__(
        self,
        port: int = 0,
        rates: Rates | None = None,
        state_dir: Path | None = None,
        netd: Path | None = None,  # the socket of a real one, to be asked instead of the fake gateway
        clock: Callable[[], float] = time.monotonic,  # what ``rates`` go by
        window: float = math.inf,  # seconds of the machine's uptime in which the first password may be set
        lost: bool = False,
    ) -> None:
        self._port = port
        self._rates = rates
        self._state_dir = state_dir
        self._netd = netd
        self._clock = clock
        self._window = FirstPasswordWindow(window)
        self._lost = lost
        self.gateway = FakeGateway()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def __enter__(self) -> WebServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(15)
        assert not self._thread.is_alive(), "the server did not shut down"

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        listening = sockets.bind(f"127.0.0.1:{self._port}")
        listening.listen(128)  # connections wait from now on: no need to know when Hypercorn is ready
        self.port: int = listening.getsockname()[1]
        gateway: Gateway = ipc.connect(self._netd) if self._netd else self.gateway
        self.app = create_app(
            gateway, rates=self._rates, state_dir=self._state_dir, window=self._window, lost=self._lost
        )
        if self._rates is not None:
            limiter = self.app.extensions[EXTENSION]
            limiter._clock = limiter.storage._clock = self._clock
        self.hub = self.app.extensions[HUB]
        self._ready.set()
        await serve(self.app, [listening], self._stop)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, action: Callable[[], T]) -> T:
        """Do something to the gateway in the server's own thread."""

        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(10)
