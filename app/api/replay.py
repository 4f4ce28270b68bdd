"""The last messages, kept for clients that reconnect."""

from __future__ import annotations

from collections import deque

import msgspec

KEPT = 200  # messages, some 2 kB each; less than a listener's queue holds


class EncodedMessage(msgspec.Struct, frozen=True):
    """A message ready to be sent. ``event`` is the event's number; None = not numbered and not replayed."""

    text: str
    event: int | None = None


class Replay:
    """Messages of events with consecutive numbers, up to :attr:`last`; cleared wherever a number is missing."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept: deque[EncodedMessage] = deque(maxlen=kept)
        self._after = 0  # all events after this number are here
        self.last = 0

    def restart(self, number: int) -> None:
        """Drop everything; the next message has the number after ``number``."""
        self._kept.clear()
        self._after = self.last = number

    def add(self, number: int, message: EncodedMessage) -> None:
        if number != self.last + 1:
            self.restart(number - 1)
        if len(self._kept) == self._kept.maxlen:
            self._after += 1
        self._kept.append(message)
        self.last = number

    def since(self, number: int) -> list[EncodedMessage] | None:
        """The messages after ``number``; None where some of them are no longer kept, or the number is unknown."""
        if not self._after <= number <= self.last:
            return None
        return [message for message in self._kept if message.event is not None and message.event > number]
