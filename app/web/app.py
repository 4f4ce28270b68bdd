"""The web application: the API's blueprints, the page, and what surrounds both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from quart import Quart

from app.api import BLUEPRINTS, errors, limits, request_metrics, security
from app.api.auth import guard
from app.api.auth.first_password import FirstPasswordWindow
from app.api.auth.service import Auth
from app.api.auth.sign_in import first_password_alert, guessing_alert, no_password_alert
from app.api.body import BODY_LIMIT, BODY_TIMEOUT, BoundedRequest, drain
from app.api.context import EXTENSION
from app.api.events import HUB
from app.api.hub import EXPIRED, Hub
from app.protocol.events import GatewayEvent
from app.protocol.gateway import Gateway
from app.protocol.status import Snapshot
from app.tasks import end
from app.web import assets

EXPEL_AFTER = 0.5  # seconds: by then the client that has set the password has its answer, and its cookie


class WebApp(Quart):
    request_class = BoundedRequest


def create_app(
    gateway: Gateway,
    *,
    state_dir: Path | None = None,
    rates: limits.Rates | None = limits.DEFAULT,
    window: FirstPasswordWindow | None = None,
    lost: bool = False,
) -> WebApp:
    """The application in front of ``gateway``; it follows netd's events while it is being served.

    Without ``state_dir`` there is nowhere to keep a password; with ``lost`` it is not the one with the stored password.
    Without ``rates`` there is no rate limit, which is for tests.
    """
    app = WebApp("app.web", static_folder=None, template_folder=None)
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.url_map.merge_slashes = False  # //api/status is not a path of the API, and no redirect should make it one

    hosts = security.AllowedHosts()

    def learn(snapshot: Snapshot) -> None:
        hosts.follow(snapshot.lan, snapshot.host_names)

    auth = Auth(state_dir, gateway, window or FirstPasswordWindow(), lost=lost)

    def notices() -> tuple[GatewayEvent, ...]:
        known = auth.credentials
        return (no_password_alert(),) if known.available and not known.closed else ()

    hub = Hub(gateway, learn, notices)
    app.extensions[EXTENSION] = gateway
    app.extensions[HUB] = hub

    request_metrics.install(app)
    errors.install(app)
    auth.credentials.on_revoked.append(lambda: hub.expel(EXPIRED, EXPEL_AFTER))
    auth.sign_in.on_guessing.append(lambda address, failures: hub.announce(guessing_alert(address, failures)))
    auth.sign_in.on_first_password.append(lambda address: hub.announce(first_password_alert(address)))
    security.install(app, hosts)
    guard.install_identification(app, auth)
    limits.install(app, rates)
    guard.install_authorisation(app)
    app.after_request(drain)
    for blueprint in (*BLUEPRINTS, assets.blueprint):
        app.register_blueprint(blueprint)

    async def follow() -> AsyncGenerator[None, None]:
        tasks = [asyncio.create_task(hub.run(), name="hub"), asyncio.create_task(auth.credentials.watch(), name="auth")]
        yield
        await end(tasks)

    app.while_serving(follow)
    return app
