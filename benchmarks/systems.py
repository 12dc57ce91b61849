"""The systems that `benchmarks.peers` compares: each started with one worker, its own logs off, in front of the same upstream.

A peer is there when `make peers` has installed it into var/peers, or when its command is on PATH; one that is not there is left out and said so.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.dispatch import ROOT, free_port, process, publish, wait_for

PEERS = ROOT / "var" / "peers"


@dataclass(frozen=True)
class System:
    """One that answers, and how it is asked."""

    port: int
    pid: int  # of what was started; its children count with it
    path: str
    stream_path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    stream_headers: Mapping[str, str] | None = None  # None: as `headers`
    model: str = "bench"
    stream_model: str | None = None
    serving: str = ""  # a part of the command line of the process that serves; "": all of the tree
    is_native: bool = False  # asked by task type


CHAT = "/v1/chat/completions"


@contextmanager
def direct(upstream: int, folder: Path) -> Iterator[System | None]:
    yield System(upstream, 0, CHAT, f"/stream{CHAT}")


@contextmanager
def nginx(upstream: int, folder: Path) -> Iterator[System | None]:
    """The floor: bytes from one socket to another."""
    command = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if command is None:
        yield None
        return
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null; events {{ worker_connections 1024; }}\n"
        f"http {{ access_log off; client_max_body_size 32m; client_body_buffer_size 1m; client_body_temp_path {folder}/body;\n"
        f"proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"keepalive_requests 10000000; upstream up {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 10000000; }}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ proxy_pass http://up; proxy_http_version 1.1;"
        f' proxy_set_header Connection ""; }} }} }}\n'
    )
    with running([command, "-c", str(folder / "nginx.conf"), "-p", str(folder)], port) as pid:
        yield System(port, pid, CHAT, f"/stream{CHAT}")


@contextmanager
def cortex(upstream: int, folder: Path) -> Iterator[System | None]:
    """One worker, recording on. Two task types: whole answers and streams, each routed to its part of the upstream."""
    key = publish("openai_compatible", f"http://127.0.0.1:{upstream}/v1")
    stream_key = publish("openai_compatible", f"http://127.0.0.1:{upstream}/stream/v1", task="bench-stream")
    port = free_port()
    command = ("manage.py", "serve", "--bind", f"127.0.0.1:{port}", "--workers", "1")
    with process(*command) as server:
        wait_for(port, 120)
        yield System(
            port,
            server.pid,
            CHAT,
            CHAT,
            {"X-Cortex-Key": key},
            {"X-Cortex-Key": stream_key},
            model="task:bench",
            stream_model="task:bench-stream",
            serving="cortex.worker",
        )


def native(served: System) -> System:
    """The same server, asked over its own API: the SDK's lane."""
    path = "/api/v1/dispatch"
    return replace(served, path=path, stream_path=path, is_native=True, model="bench", stream_model="bench-stream")


@contextmanager
def litellm(upstream: int, folder: Path) -> Iterator[System | None]:
    command = _found("litellm/bin/litellm", "litellm")
    if command is None:
        yield None
        return
    port = free_port()
    (folder / "litellm.yaml").write_text(
        "model_list:\n"
        f"  - {{model_name: bench, litellm_params: {{model: openai/bench, api_base: 'http://127.0.0.1:{upstream}/v1', api_key: sk-x}}}}\n"
        "  - {model_name: bench-stream, litellm_params: {model: openai/bench, api_base: "
        f"'http://127.0.0.1:{upstream}/stream/v1', api_key: sk-x}}}}\n"
        "litellm_settings: {set_verbose: false, num_retries: 0}\n"
    )
    words = [command, "--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environment = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    # Without a key, as it is fastest.
    environment["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"
    with running([*words, "--num_workers", "1"], port, environment) as pid:
        yield System(port, pid, CHAT, CHAT, stream_model="bench-stream")


@contextmanager
def portkey(upstream: int, folder: Path) -> Iterator[System | None]:
    entry = PEERS / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    node = shutil.which("node")
    if node is None or not entry.exists():
        yield None
        return
    port = free_port()
    headers = {"x-portkey-provider": "openai", "Authorization": "Bearer sk-x"}
    hosts = [{"x-portkey-custom-host": f"http://127.0.0.1:{upstream}{part}/v1"} for part in ("", "/stream")]
    with running([node, str(entry), f"--port={port}", "--headless"], port) as pid:
        yield System(port, pid, CHAT, CHAT, headers | hosts[0], headers | hosts[1])


@contextmanager
def tensorzero(upstream: int, folder: Path) -> Iterator[System | None]:
    python = PEERS / "tensorzero/bin/python"
    if not python.exists():
        yield None
        return
    models = "".join(
        f'[models.{name}]\nrouting = ["up"]\n[models.{name}.providers.up]\ntype = "openai"\nmodel_name = "bench"\n'
        f'api_base = "http://127.0.0.1:{upstream}{part}/v1/"\napi_key_location = "none"\n'
        for name, part in (("bench", ""), ("bench-stream", "/stream"))
    )
    (folder / "tensorzero.toml").write_text(f"[gateway]\nobservability.enabled = false\n{models}")
    starter = (  # it listens where it likes, and says so
        "import asyncio, pathlib, sys\nfrom tensorzero import tensorzero\n"
        "async def main():\n"
        "    gateway = await tensorzero._start_http_gateway(config_file=sys.argv[1], clickhouse_url=None,"
        " postgres_url=None, valkey_url=None, async_setup=True)\n"
        "    pathlib.Path(sys.argv[2]).write_text(gateway.base_url)\n    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    told = folder / "address"
    command = [str(python), "-c", starter, str(folder / "tensorzero.toml"), str(told)]
    with running(command, None, {"RUST_LOG": "error"}) as pid:
        end = time.monotonic() + 60
        while not (told.exists() and told.read_text()):
            if time.monotonic() > end:
                raise RuntimeError("TensorZero's gateway did not start")
            time.sleep(0.05)
        port = urlsplit(told.read_text()).port or 0
        path, model = f"/openai{CHAT}", "tensorzero::model_name::bench"
        yield System(port, pid, path, path, model=model, stream_model=f"{model}-stream")


@contextmanager
def running(command: list[str], port: int | None, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """The command, from when it answers at the port until the block is left."""
    quiet = subprocess.DEVNULL
    theirs = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}  # which is ours
    started = subprocess.Popen(command, env={**theirs, **(environment or {})}, stdout=quiet, stderr=quiet)
    try:
        if port is not None:
            wait_for(port, 90)
        yield started.pid
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def _found(within: str, name: str) -> str | None:
    inside = PEERS / within
    return str(inside) if inside.exists() else shutil.which(name)


SYSTEMS = {
    "direct": direct,
    "nginx": nginx,
    "Cortex, relay": cortex,
    "TensorZero": tensorzero,
    "Portkey": portkey,
    "LiteLLM": litellm,
}

if __name__ == "__main__":
    sys.exit("This is a part of `python -m benchmarks.peers`.")
