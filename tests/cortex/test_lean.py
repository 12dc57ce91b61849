"""A web worker holds no numpy, pandas or Plotly, which are for the nightly job; no MCP until an agent comes, and no SDK until a call needs it."""

import logging
import os
import subprocess
import sys

from tests.cortex.processes import ROOT

LOADED = """
import sys
import cortex.asgi
from django.urls import get_resolver
get_resolver().url_patterns
print(*sorted({"numpy", "pandas", "plotly", "scipy", "mcp", "anthropic", "openai"} & set(sys.modules)))
"""


NEEDED = """
import asyncio, logging, sys
from routing.providers import sdks
asyncio.run(sdks.loaded("anthropic"))
asyncio.run(sdks.loaded("openai"))
print(*(logging.getLogger(name).level for name in sdks.NAMES if name in sys.modules))
"""


def test_a_web_worker_imports_neither_numpy_nor_pandas_nor_plotly_nor_mcp_nor_an_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_an_sdk_that_a_call_has_loaded_logs_no_prompt_whatever_the_environment_says() -> None:
    env = {**os.environ, "ANTHROPIC_LOG": "debug", "OPENAI_LOG": "debug"}
    done = subprocess.run([sys.executable, "-c", NEEDED], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(logging.WARNING)] * 2
