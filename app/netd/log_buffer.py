"""The last log lines of netd, kept in memory for people to read. Anything like a key is struck out on its way in."""

from __future__ import annotations

import logging
from collections import deque

from app.protocol.answers import LogLine, LogLines
from app.protocol.commands import GetLogs, HandlerEntry
from app.support.secrets import redact

KEPT = 1000  # lines
LONGEST = 2000  # characters of a line


class LogBuffer(logging.Handler):
    """Keeps the last ``KEPT`` records; numbers go up by one from 1, and start anew with the process."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=KEPT)
        self._last = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = redact(record.getMessage())[:LONGEST]  # never the traceback: it shows values
        except Exception:
            self.handleError(record)
            return
        self._last += 1
        self._lines.append(LogLine(self._last, record.created, record.levelname, record.name, message))

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (GetLogs.handled_by(self._answer),)

    async def _answer(self, command: GetLogs) -> LogLines:
        return self.read(command.lines, command.after)

    def read(self, lines: int, after: int | None = None) -> LogLines:
        """The last ``lines``; with ``after`` the first so many beyond that number, so that none is passed over."""
        if after is None or after > self._last:  # beyond ours: the process has been started anew
            found = list(self._lines)[-lines:]
        else:
            found = [line for line in self._lines if line.number > after][:lines]
        return LogLines(tuple(found), found[-1].number if found else self._last)
