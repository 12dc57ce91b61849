"""Child processes: started, started again when they die, and none left behind, whatever ends.

Each child leads a process group of its own, so that a Ctrl-C in the terminal reaches only us and we stop them in order. If we
are killed, the kernel tells them to end (Linux). Standard library only.
"""

import contextlib
import ctypes
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Self

READY_FD = "CORTEX_READY_FD"  # names the pipe in which a child says that it is ready
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PAUSES_S = (
    0.0,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
)  # before a child is started again that died before it was ready, again and again
READY_WITHIN_S = 60.0  # for a replacement to be ready, before the one it should replace is kept

logger = logging.getLogger("cortex.supervisor")
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Child:
    """What to run."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: str | None = None
    fds: tuple[int, ...] = ()  # file descriptors it inherits
    says_ready: bool = False  # it calls say_ready(); another counts as ready after five seconds
    grace_s: float = 30.0  # between SIGTERM and SIGKILL


@dataclass(slots=True)
class Running:
    """One life of a child."""

    child: Child
    process: subprocess.Popen[bytes]
    ready_pipe: int | None  # open until it said that it is ready, or ended
    pause: int = 0  # index in PAUSES_S of the wait before it would be started again
    started: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    is_kept: bool = True  # another takes its place when it ends
    told: float | None = None  # when it was told to end


def say_ready() -> None:
    """Tell the supervisor that started this process, if one did, that it does its work now."""
    pipe = os.environ.pop(READY_FD, None)
    if pipe is not None:
        with contextlib.suppress(OSError):
            os.write(int(pipe), b"1")
            os.close(int(pipe))


def end_with_parent(parent: int | None = None) -> None:
    """From now on the kernel sends this process SIGTERM when its parent ends, even by kill -9. Linux only."""
    if _libc is not None:
        _libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if parent is not None and os.getppid() != parent:
            os._exit(1)  # it ended before we could ask


class Supervisor:
    """Keeps children running until a signal, or a child that cannot start, says stop.

    A child that ends by itself before it, or one of its name, was ever ready would only do so again: it ends everything. Any other
    is started again, after a pause that grows while it keeps dying before it is ready. SIGTERM and SIGINT stop the
    children in order; a second one kills them. SIGHUP stops them too, or with `renews` replaces them one by one.
    """

    def __init__(
        self, *, renews: bool = False, ends_process: bool = False, at_stop: Callable[[], object] = lambda: None
    ) -> None:
        self.renews = renews
        self.ends_process = ends_process  # nothing but exit handlers follow: no late signal may cut them short
        self.at_stop = at_stop  # called once when stopping begins: the place to close listening sockets
        self.hangups = 0
        self.is_hurried = False  # told to stop twice: do not wait for anything
        self.failure = ""  # why everything was stopped, when no signal did
        self._running: list[Running] = []
        self._due: list[tuple[float, Child, int]] = []
        self._proven: set[str] = set()
        self._handlers: dict[signal.Signals, object] = {}
        self._told: float | None = None  # when a signal said stop

    def __enter__(self) -> Self:
        self._wake, wake = socket.socketpair()
        self._wake.setblocking(False)
        wake.setblocking(False)
        self._waker = wake
        self._old_wakeup = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGHUP, signal.SIGCHLD):
            if number == signal.SIGHUP and not self.renews and signal.getsignal(number) == signal.SIG_IGN:
                continue  # started with nohup, to outlive the terminal
            self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            signal.set_wakeup_fd(self._old_wakeup)
            for number, handler in self._handlers.items():
                is_stop = self.ends_process and number != signal.SIGCHLD
                signal.signal(number, signal.SIG_IGN if is_stop else handler)  # type: ignore[arg-type]
            self._wake.close()
            self._waker.close()

    @property
    def is_stopping(self) -> bool:
        return self._told is not None or bool(self.failure)

    def start(self, child: Child, pause: int = 0) -> Running:
        """Start a child now."""
        read, write = os.pipe() if child.says_ready else (None, None)
        parent = os.getpid()
        try:
            process = subprocess.Popen(
                child.command,
                env=dict(child.env) if write is None else {**child.env, READY_FD: str(write)},
                cwd=child.cwd,
                stdin=subprocess.DEVNULL,
                pass_fds=child.fds if write is None else (*child.fds, write),
                process_group=0,
                preexec_fn=lambda: end_with_parent(parent),
            )
        finally:
            if write is not None:
                os.close(write)
        running = Running(child, process, read, pause)
        self._running.append(running)
        return running

    def run(self) -> int:
        """Go on until told to stop. Returns the exit code: 0 after a signal, 1 when a child could not run."""
        while not self.is_stopping:
            self.step(1.0)
            if self.hangups:
                self._renew()
        self.stop()
        if self.failure:
            logger.error("%s", self.failure)
        return 1 if self.failure else 0

    def step(self, timeout_s: float) -> None:
        """Wait for something to happen, at most so long, and deal with it."""
        if not self.is_stopping:
            now = time.monotonic()
            for when, child, pause in [each for each in self._due if each[0] <= now]:
                self._due.remove((when, child, pause))
                self.start(child, pause)
        self._wait(timeout_s)
        for running in list(self._running):
            if not running.child.says_ready and time.monotonic() - running.started > 5:
                self._is_ready(running)
            if running.process.poll() is not None:
                self._ended(running)

    def stop(self) -> None:
        """Tell every child to end, kill those that outstay their grace, and whatever they leave in their group."""
        self.at_stop()
        self.at_stop = lambda: None
        self._due.clear()
        for running in self._running:
            self._retire(running)
        while self._running:
            for running in self._running:
                late = running.told is not None and time.monotonic() - running.told > running.child.grace_s
                if late or self.is_hurried:
                    running.process.kill()
            self.step(0.5)

    def _retire(self, running: Running) -> None:
        running.is_kept = False
        if running.told is None:
            running.told = time.monotonic()
            running.process.terminate()

    def _renew(self) -> None:
        """Replace every child by a fresh one: first the new one is ready, then the old one ends."""
        self.hangups = 0
        for old in [each for each in self._running if each.is_kept]:
            new = self.start(old.child)
            new.is_kept = old.is_kept = False  # neither is started again while they change places
            while not new.is_ready and not self.is_stopping:
                self.step(0.5)
                if new not in self._running or time.monotonic() - new.started > READY_WITHIN_S:
                    logger.error("The new %s is not ready; the old ones go on.", new.child.name)
                    self._retire(new)
                    old.is_kept = True
                    if old not in self._running:
                        self.start(old.child)
                    return
            new.is_kept = True
            self._retire(old)

    def _ended(self, running: Running) -> None:
        """Clear up after a process that ended, and see to a new one if it was to be kept."""
        self._hear(running)
        self._running.remove(running)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, signal.SIGKILL)  # what it may have left: the pool of a killed Celery worker
        name, code = running.child.name, running.process.returncode
        if not running.is_kept or self.is_stopping:
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if name not in self._proven and code >= 0:
            self.failure = f"{name} {how} before it was ready; stopping."
            return
        pause = 0 if running.is_ready else min(running.pause + 1, len(PAUSES_S) - 1)
        logger.warning("%s (process %s) %s; starting it again.", name, running.process.pid, how)
        self._due.append((time.monotonic() + PAUSES_S[pause], running.child, pause))

    def _wait(self, timeout_s: float) -> None:
        """Sleep until a signal, a child's death, its word that it is ready, a due start or the time-out."""
        if self._due:
            timeout_s = max(0.0, min(timeout_s, min(when for when, _, _ in self._due) - time.monotonic()))
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            for running in self._running:
                if running.ready_pipe is not None:
                    selector.register(running.ready_pipe, selectors.EVENT_READ, running)
            for key, _ in selector.select(timeout_s):
                if isinstance(key.data, Running):
                    self._hear(key.data)
                else:
                    with contextlib.suppress(BlockingIOError):
                        self._wake.recv(4096)

    def _hear(self, running: Running) -> None:
        """Read a child's word from its pipe, which then is closed. A pipe that ends without a word is a child that ends."""
        if running.ready_pipe is not None:
            if os.read(running.ready_pipe, 1):
                self._is_ready(running)
            os.close(running.ready_pipe)
            running.ready_pipe = None

    def _is_ready(self, running: Running) -> None:
        running.is_ready = True
        self._proven.add(running.child.name)

    def _note(self, number: int, frame: FrameType | None) -> None:
        """A signal came. Only note it; step() is woken through the pipe."""
        if number == signal.SIGHUP and self.renews:
            self.hangups += 1
        elif number != signal.SIGCHLD:
            now = time.monotonic()
            # One Ctrl-C or one `timeout` may reach us twice, directly and through make.
            self.is_hurried = self._told is not None and now - self._told > 1.0
            self._told = self._told or now
