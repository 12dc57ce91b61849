"""Every address of the console and the API. The raw wires (/v1, /mcp) branch off before Django, in asgi.py."""

from django.urls import include, path

from cortex import health
from cortex.api import api

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    # The same three under the API's own address, for who knows only that.
    path("api/v1/healthz", health.healthz, name="api-healthz"),
    path("api/v1/readyz", health.readyz, name="api-readyz"),
    path("api/v1/metrics", health.metrics, name="api-metrics"),
    path("api/v1/", api.urls),
    path("account/", include("allauth.account.urls")),
    path("account/", include("allauth.mfa.urls")),
    path("", include("analytics.urls")),
    path("", include("routing.urls")),
]

handler500 = "cortex.errors.broken"
