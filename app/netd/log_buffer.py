"""The log buffer keeps netd's last log lines in memory. Anything that looks like a secret is redacted first."""

from __future__ import annotations

import logging
from collections import deque

from app.protocol.answers import LogLine, LogLines
from app.protocol.commands import GetLogs, HandlerEntry
from app.support.secrets import redact

MAX_LINES = 1000  # lines
MAX_LENGTH = 2000  # characters of a line


class LogBuffer(logging.Handler):
    """The handler that keeps the last ``MAX_LINES`` records, numbered from 1 at each start of the process."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._last = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = redact(record.getMessage())[:MAX_LENGTH]  # without the traceback, which shows values
        except Exception:
            self.handleError(record)
            return
        self._last += 1
        self._lines.append(LogLine(self._last, record.created, record.levelname, record.name, message))

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (GetLogs.handled_by(self._get_logs),)

    async def _get_logs(self, command: GetLogs) -> LogLines:
        return self.read(command.lines, command.after)

    def read(self, lines: int, after: int | None = None) -> LogLines:
        """The last ``lines``; with ``after`` the first ``lines`` with higher numbers, so that a client misses none."""
        if after is None or after > self._last:  # a number of an earlier process
            found = list(self._lines)[-lines:]
        else:
            found = [line for line in self._lines if line.number > after][:lines]
        return LogLines(tuple(found), found[-1].number if found else self._last)
