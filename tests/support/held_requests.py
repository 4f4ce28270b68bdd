"""Requests of a page that wait until the test lets them go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator

from playwright.sync_api import APIResponse, Page, Route

from ci.labnet.waiting import wait_for


class HeldRequests:
    """The page's requests of one method to the paths of a pattern, in the order in which it made them."""

    def __init__(self, page: Page, pattern: str, method: str) -> None:
        self._page = page
        self._method = method
        self._open = False
        self.all: list[Route] = []
        page.route(pattern, self._meet)

    def _meet(self, route: Route) -> None:
        if route.request.method != self._method:
            route.continue_()
            return
        self.all.append(route)
        if self._open:
            route.continue_()

    @contextlib.contextmanager
    def one_more(self) -> Generator[None]:
        """What is done within makes the page ask once more; ends when that request waits here.

        Playwright's ``expect_request`` ends when the request is made, which may be before it is met.
        """
        count = len(self.all) + 1
        yield
        self.wait_for("the page's request", lambda: len(self.all) >= count)

    def wait_for(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for what follows from the page's requests, those included that it makes meanwhile."""

        def met() -> object:
            self._page.wait_for_timeout(0)  # Playwright calls what meets a request only while it is waited for
            return condition()

        wait_for(what, met)

    def pass_by(self, path: str) -> None:
        """Ask for ``path`` after all that the page has asked for by now, and wait for the answer.

        A change that wrongly does not wait for what is held here has read by then what it is built on.
        """
        self._page.evaluate("async (path) => { await (await fetch(path)).text(); }", path)

    def release(self) -> None:
        """Let those go that wait, and from now on all."""
        self._open = True
        for each in self.all.copy():
            each.continue_()

    def answer(self, response: APIResponse) -> None:
        """Answer the one that waits, and from now on let all go."""
        self._open = True
        (only,) = self.all
        only.fulfill(response=response)
