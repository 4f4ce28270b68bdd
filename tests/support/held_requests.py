"""Requests of a page that wait until the test lets them go."""

from __future__ import annotations

from playwright.sync_api import APIResponse, Page, Route


class HeldRequests:
    """The page's requests of one method to the paths of a pattern, in the order in which it made them."""

    def __init__(self, page: Page, pattern: str, method: str) -> None:
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
