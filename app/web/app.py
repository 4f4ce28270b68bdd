"""The web application: the API's blueprints, the page, and what surrounds both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from quart import Quart

from app.api import BLUEPRINTS, errors, latency, limits, security
from app.api.body import BODY_LIMIT, BODY_TIMEOUT, BoundedRequest, drain
from app.api.context import EXTENSION
from app.api.events import HUB
from app.api.hub import Hub
from app.gateway import Gateway
from app.model import Snapshot
from app.web import assets


class WebApp(Quart):
    request_class = BoundedRequest


def create_app(gateway: Gateway, *, rates: limits.Rates | None = limits.DEFAULT) -> WebApp:
    """The application in front of ``gateway``; it follows netd's events while it is being served.

    Without ``rates`` nobody is slowed down, which is for tests.
    """
    app = WebApp("app.web", static_folder=None, template_folder=None)
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.url_map.merge_slashes = False  # //api/status is not a path of ours, and no redirect should make it one

    hosts = security.AllowedHosts()

    def learn(snapshot: Snapshot) -> None:
        hosts.follow(snapshot.lan)

    hub = Hub(gateway, learn)
    app.extensions[EXTENSION] = gateway
    app.extensions[HUB] = hub

    latency.install(app)
    errors.install(app)
    security.install(app, hosts)
    limits.install(app, rates)
    app.after_request(drain)
    for blueprint in (*BLUEPRINTS, assets.blueprint):
        app.register_blueprint(blueprint)

    async def follow() -> AsyncGenerator[None, None]:
        following = asyncio.create_task(hub.run(), name="hub")
        yield
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following

    app.while_serving(follow)
    return app
