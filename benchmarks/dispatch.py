"""Dispatch over the SDKs and over the relay, recording on: one worker in front of an upstream that answers at once, beside a direct call.

In a database and a data dir of its own, both removed afterwards. The database server is that of DATABASE_URL (the trial's when there is none).

    python -m benchmarks.dispatch --out benchmarks/results/dispatch.json
"""

import argparse
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from benchmarks.machine import MACHINE

ROOT = Path(__file__).resolve().parent.parent
BODY = {"task_type": "bench", "prompt": "What is two plus two?", "max_tokens": 16}
CHAT = {"model": "bench", "messages": [{"role": "user", "content": BODY["prompt"]}], "max_tokens": 16}
SECONDS = 4.0
RELAYED: dict[str, Any] = {
    "model": "task:bench",
    "messages": [{"role": "user", "content": f"{BODY['prompt']}{' ' * 300}"}],
    "max_tokens": 16,
}
LONG = RELAYED | {"messages": [{"role": "system", "content": "Think. " * 17_000}, *RELAYED["messages"]]}
RELAY = {
    "relay, 400 bytes": (RELAYED, "/v1"),
    "relay, 120 KB": (LONG, "/v1"),
    "relay, stream of 20 chunks": (RELAYED | {"stream": True}, "/stream/v1"),
}
WORLDS = {"openai SDK": ("openai_compatible", "/v1"), "anthropic SDK": ("anthropic", "")}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/dispatch.json")
    out: Path = arguments.parse_args().out
    with own_world():
        # What else ran: above 0.5 the req/s and the latencies are the neighbours' too; CPU a call stands.
        busy = round(os.getloadavg()[0], 1)
        result = {"machine": MACHINE, "load_before": busy, "plan": planned(), "dispatch": measured()}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def measured() -> dict[str, Any]:
    """Both SDKs and the relay, and the direct call that they are measured against."""
    upstream, results = free_port(), {}
    with process("-m", "benchmarks.upstream", str(upstream)):
        wait_for(upstream)
        direct = rounds(upstream, "/v1/chat/completions", {}, CHAT, None)
        results["direct"] = direct
        for name, (kind, suffix) in WORLDS.items():
            key = publish(kind, f"http://127.0.0.1:{upstream}{suffix}")
            results[name] = beside(direct, served("/api/v1/dispatch", key, BODY))
        for name, (body, suffix) in RELAY.items():
            key = publish("openai_compatible", f"http://127.0.0.1:{upstream}{suffix}")
            results[name] = beside(direct, served("/v1/chat/completions", key, body))
    return results


def served(path: str, key: str, body: object) -> dict[str, Any]:
    """The rounds through a server of our own."""
    port = free_port()
    with process("manage.py", "serve", "--bind", f"127.0.0.1:{port}", "--workers", "1") as server:
        wait_for(port)
        return rounds(port, path, {"X-Cortex-Key": key}, body, worker_of(server.pid))


def beside(direct: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    added = {f"added_{name}": round(own[name] - direct[name], 2) for name in ("p50_ms", "p99_ms")}
    return own | added


def rounds(port: int, path: str, headers: dict[str, str], body: object, worker: int | None) -> dict[str, Any]:
    """req/s at 16 and 64 connections, CPU a call of the worker, and latency at 50 req/s."""
    order = {"port": port, "path": path, "headers": headers, "body": body}
    load({**order, "kind": "closed", "connections": 16, "seconds": 1.0})  # warm
    told: dict[str, Any] = {}
    for connections in (16, 64):
        before = cpu_s(worker)
        calls = load({**order, "kind": "closed", "connections": connections, "seconds": SECONDS})["calls"]
        told[f"req_s_{connections}"] = round(calls / SECONDS)
        if worker is not None:
            told[f"cpu_ms_a_call_{connections}"] = round((cpu_s(worker) - before) * 1000 / calls, 3)
    calm = load({**order, "kind": "paced", "per_s": 50, "seconds": 2 * SECONDS})
    told |= {name: calm[name] for name in ("p50_ms", "p99_ms")}
    if worker is not None:
        told["rss_mb"] = rss_mb(worker)
    return told


def load(order: dict[str, Any]) -> dict[str, float]:
    """One round in a process of its own: a generator that shares the server's loop would measure itself."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def planned() -> dict[str, Any]:
    """Microseconds of `policy.plan` on the seeds' table, computed and remembered."""
    from datetime import UTC, datetime

    from routing import document, snapshot
    from routing.policy.plan import plan
    from routing.terms.request import Ask

    document.load_seed()
    document.apply_environment()
    known, now, ask = snapshot.load_now(), datetime.now(UTC), Ask("vibe_coding", size=100)
    return {
        "models": len(known.table.models),
        "computed_us": timed(lambda: plan(known.table, ask, known.health, now), 2000),
        "remembered_us": timed(lambda: known.plan(ask, now), 20_000),
    }


def timed(work: Any, times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return round((time.perf_counter() - begun) / times * 1e6, 1)


def publish(kind: str, base_url: str, task: str = "bench") -> str:
    """Route the task to the upstream through a provider of this kind; a key to call with."""
    from routing import changes, clients
    from routing.audit import SYSTEM

    slug = f"{task}-{kind.replace('_', '-')}"
    changes.publish(
        {
            "providers": [{"slug": slug, "kind": kind, "base_url": base_url, "max_concurrency": 1000}],
            "credentials": [{"provider": slug, "name": "main", "kind": "api_key", "secret": "sk-bench"}],
            "models": [{"provider": slug, "slug": "m", "upstream_id": "bench", "price": {"input": "1", "output": "2"}}],
            "task_types": [{"slug": task, "name": task.capitalize()}],
            "routes": [{"task_type": task, "steps": [f"{slug}:m"]}],
        },
        by=SYSTEM,
        reason="benchmark",
        source="load",
    )
    return clients.create_key(f"bench-{secrets.token_hex(4)}", by=SYSTEM).key


@contextmanager
def own_world() -> Iterator[None]:
    """A database and a data dir of our own, named in the environment for us and our children."""
    from cortex.environment import ensure_database

    ensure_database()
    parts = urlsplit(os.environ["DATABASE_URL"])
    name, folder = f"cortex_bench_{os.getpid()}", tempfile.mkdtemp(prefix="cortex-bench-")
    administer(parts.geturl(), f'CREATE DATABASE "{name}"')
    os.environ.update(
        {
            "DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}")),
            "CORTEX_DATA_DIR": folder,
            "CORTEX_SECRET_KEY": secrets.token_hex(32),
            "CORTEX_ENCRYPTION_KEYS": "YmVuY2htYXJrcy1vbmx5LWtleS0wMTIzNDU2Nzg5YWI=",
            "CORTEX_ALLOW_PRIVATE_UPSTREAMS": "*",
            "CORTEX_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "cortex.settings",
        }
    )
    try:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield
    finally:
        from django.db import connections

        connections.close_all()
        administer(parts.geturl(), f'DROP DATABASE "{name}" WITH (FORCE)')
        shutil.rmtree(folder, ignore_errors=True)


def administer(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(40)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, seconds: float = 40.0) -> None:
    """Until somebody answers there."""
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
            return
        except OSError as error:
            if getattr(error, "code", None) == 404:  # the upstream knows no such address
                return
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def worker_of(supervisor: int) -> int:
    """The process that serves: a child of the supervisor."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return next(int(each) for each in children if b"cortex.worker" in Path(f"/proc/{each}/cmdline").read_bytes())


def cpu_s(pid: int | None) -> float:
    """Seconds of CPU that the process has used, in user and kernel mode."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


if __name__ == "__main__":
    main()
