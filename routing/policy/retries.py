"""How many fallbacks may fail: when everybody is down, trying everybody for each call would only double the load.

A fallback that answers costs nothing, so none is missed while somebody answers. One that fails counts for 10 s, against a fifth of the
calls of that time and a few more. Past that, a call leaves out the candidates that failed when they were last asked.
"""

from collections import deque

WINDOW_S = 10
SHARE = 0.2  # of the calls
FLOOR = 10  # what a quiet process may fail anyway


class Retries:
    """One process's count. `now` is in seconds, of any clock that never goes back."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()  # [second, calls, failed fallbacks], the last 10 s
        self._calls = self._failed = 0

    def called(self, now: float) -> None:
        """A call begins."""
        self._at(now)[1] += 1
        self._calls += 1

    def failed(self, now: float) -> None:
        """A fallback has failed too."""
        self._at(now)[2] += 1
        self._failed += 1

    def allows(self, now: float) -> bool:
        """Whether one more may fail: with it they are not over what there is room for."""
        self._at(now)
        return self._failed + 1 <= FLOOR + SHARE * self._calls

    def _at(self, now: float) -> list[int]:
        second = int(now)
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append([second, 0, 0])
            while self._seconds[0][0] <= second - WINDOW_S:
                _, calls, failed = self._seconds.popleft()
                self._calls -= calls
                self._failed -= failed
        return self._seconds[-1]
