"""Who may open a page, and by which method."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed

from routing import people
from routing.audit import Actor
from routing.terms.words import Group

View = Callable[..., HttpResponseBase]


def page(least: Group = Group.VIEWER, *methods: str) -> Callable[[View], View]:
    """Let in who may do what `least` may, by these methods (reading ones when none is named). Whoever is nobody yet goes to the log-in."""
    allowed = methods or ("GET", "HEAD")

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not people.may(request.user, least):
                raise PermissionDenied(f"This needs the group {least}.")
            if request.method not in allowed:
                return HttpResponseNotAllowed(allowed)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def may(request: HttpRequest, group: Group) -> bool:
    """Whether the page shows what only `group` may do."""
    return people.may(request.user, group)


def actor(request: HttpRequest) -> Actor:
    """Who acts, for revisions and audit events. Only behind `page`, where nobody is anonymous."""
    return Actor.of_user(cast(User, request.user), request.META.get("REMOTE_ADDR", ""))
