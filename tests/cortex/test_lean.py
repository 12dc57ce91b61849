"""A web worker holds no pandas and no Plotly, which are for the nightly job, and no MCP until an agent comes."""

import subprocess
import sys

from tests.cortex.processes import ROOT

LOADED = """
import sys
import cortex.asgi
from django.urls import get_resolver
get_resolver().url_patterns
print(*sorted({"pandas", "plotly", "scipy", "mcp"} & set(sys.modules)))
"""


def test_a_web_worker_imports_neither_pandas_nor_plotly_nor_mcp() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
