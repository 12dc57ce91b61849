"""Is the process up, can it dispatch, and what does it count: for load balancers and Prometheus."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from routing import snapshot


async def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


async def readyz(request: HttpRequest) -> JsonResponse:
    """The process can dispatch: it knows a routing table. PostgreSQL may be away."""
    try:
        known = snapshot.current()
    except snapshot.NotLoaded as error:
        return JsonResponse({"status": "not ready", "reason": str(error)}, status=503, headers={"Retry-After": "1"})
    return JsonResponse({"status": "ready", "revision": known.table.revision})


async def metrics(request: HttpRequest) -> HttpResponse:
    """Counts of this worker process, in Prometheus' text format."""
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)
