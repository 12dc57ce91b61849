"""The one NinjaAPI: routers of both apps, one error body, strict JSON."""

from ninja import NinjaAPI

from analytics.api import router as analytics
from cortex import errors
from cortex.strict import StrictParser
from routing.api.batches import router as batches
from routing.api.calls import router as calls
from routing.api.catalogue import router as catalogue
from routing.api.chains import router as chains
from routing.api.dispatch import router as dispatch
from routing.api.local import router as local
from routing.api.state import router as state
from routing.api.table import router as table

api = NinjaAPI(
    title="Cortex",
    version="1",
    description="Dispatch calls by task type, read what happened, decide proposals. Send a key as `X-Cortex-Key`.",
    urls_namespace="api",
    parser=StrictParser(),
    openapi_url="/openapi.json",
    docs_url="/docs",
)
errors.install(api)
for _router in (dispatch, state, chains, local, catalogue, table, calls, batches, analytics):
    api.add_router("", _router)
