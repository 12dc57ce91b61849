"""What follows when a model fails: its tier chain, hop by hop."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from routing import inventory, snapshot
from routing.api.auth import key_auth
from routing.api.errors import ApiError
from routing.policy import resolve
from routing.terms.words import Scope

router = Router(tags=["routing table"])


@router.get(
    "/models/{key:key}/chain",
    auth=key_auth(Scope.READ),
    operation_id="model_chain",
    summary="The tier chain of a model, with what keeps each hop now",
)
def chain(request: HttpRequest, key: str) -> Any:
    try:
        model = resolve.model(snapshot.fresh().table, key)
    except resolve.Unknown as error:
        raise ApiError(404, str(error)) from None
    except resolve.Ambiguous as error:
        raise ApiError(422, str(error), code="ambiguous", details={"choices": list(error.choices)}) from None
    return {"model": model, "chain": [_told(hop) for hop in inventory.chain_of(model)]}


def _told(hop: inventory.HopNow) -> dict[str, Any]:
    provider, _, model = hop.model.partition(":")
    return {
        "hop": hop.hop,
        "provider": provider,
        "model": model,
        "credential_kind": hop.credential_kind,
        "available": hop.available,
        "reason": hop.reason or None,
        "until": hop.until.isoformat() if hop.until else None,
    }
