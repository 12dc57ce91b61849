"""The scripts in examples/, run as a reader runs them, against a Cortex on a socket."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.routing.doors.conftest import address  # noqa: F401
from tests.routing.seeded import seeded  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
# What each must have printed beside the answer; every answer here is a simulated one.
PRINTED = {
    "openai_sdk.py": "served by anthropic:sonnet",
    "anthropic_sdk.py": "No provider was called",
    "stream.py": "No provider was called",
    "mcp_client.py": "tools: dispatch, explain_route, status, record_verdict",
    "curl.sh": '"candidates"',
}


def run(name: str, address: str, key: str) -> str:  # noqa: F811
    """What the script printed; it must have ended well."""
    if name.endswith(".sh") and shutil.which("curl") is None:
        pytest.skip("needs curl")
    interpreter = "sh" if name.endswith(".sh") else sys.executable
    environment = {"PATH": os.environ["PATH"], "CORTEX_URL": address, "CORTEX_KEY": key, "NO_PROXY": "127.0.0.1"}
    ended = subprocess.run(
        [interpreter, str(EXAMPLES / name)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.django_db(transaction=True)  # the server looks from a thread of its own
@pytest.mark.parametrize("name", sorted(PRINTED))
def test_an_example_does_what_it_says(address: str, seeded: str, name: str) -> None:  # noqa: F811
    printed = run(name, address, seeded)

    assert "[simulated]" in printed
    assert PRINTED[name] in printed


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == set(PRINTED)
