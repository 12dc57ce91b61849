"""The vendors' SDKs, imported when the first call needs one.

Anthropic's alone is 2,900 modules, 40 MB and half of a worker's start, and a worker that relays needs neither. The import is made in a
thread: it takes a second or two, in which the event loop goes on with everybody else.
"""

import asyncio
import gc
import importlib
import logging
import sys
from typing import Literal, TypeAlias

Name: TypeAlias = Literal["anthropic", "openai"]
NAMES: tuple[Name, ...] = ("anthropic", "openai")

_loaded: set[Name] = set()


async def loaded(name: Name) -> None:
    """Returns when `import NAME` costs nothing any more."""
    if name not in _loaded:
        await asyncio.to_thread(_load, name)


def _load(name: Name) -> None:
    importlib.import_module(name)
    if name not in _loaded:
        _loaded.add(name)
        # Anthropic's logs the whole request body at DEBUG, and both switch DEBUG on by themselves for ANTHROPIC_LOG or OPENAI_LOG.
        logging.getLogger(name).setLevel(logging.WARNING)
        # These objects live for ever: no collection needs to look at them again.
        gc.freeze()


def is_a(error: BaseException, exception: Literal["APIConnectionError", "APIStatusError"]) -> bool:
    """Is it that exception of either SDK? One that was not imported raised nothing."""
    modules = (sys.modules.get(name) for name in NAMES)
    classes = (getattr(module, exception, None) for module in modules if module is not None)  # None: half imported yet
    return isinstance(error, tuple(each for each in classes if each is not None))
