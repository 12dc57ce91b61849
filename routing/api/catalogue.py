"""Prices with their sources, and models that end, over HTTP."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Router

from routing import lifecycle, prices
from routing.api import lists
from routing.api.auth import key_auth
from routing.terms.words import Scope

router = Router(tags=["routing table"])


@router.get(
    "/prices", auth=key_auth(Scope.READ), summary="What every model costs, by whom that is said, and what comes"
)
def all_prices(request: HttpRequest) -> Any:
    """USD per million tokens, `searches_1k` and `requests_1k` per thousand of them. `input>200000` is what holds when more tokens than that are
    read, `flex:input` what a call costs that was served in that service tier. Unpriced is {} and never 0.
    """
    return lists.page(request, {each.model: asdict(each) for each in prices.listed()})


@router.get("/lifecycle", auth=key_auth(Scope.READ), summary="Models that end, and the routes that name them")
def endings(request: HttpRequest) -> Any:
    return lists.page(request, {each.model: asdict(each) for each in lifecycle.listed()})
