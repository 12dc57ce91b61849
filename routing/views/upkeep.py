"""What a person asks of a provider: does it answer, what does it serve, does this credential open it, and the local plan on or off."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from routing import changes, connections, credentials, discovery, local, upstreams
from routing.document import Invalid
from routing.models import Model
from routing.terms.words import Group
from routing.views.access import actor, page


@page(Group.OPERATOR, "POST")
def test_credential(request: HttpRequest, key: str) -> HttpResponse:
    """Ask the provider with this credential, now. What it says of the credential is kept."""
    provider, _, name = key.partition(":")
    try:
        tested = connections.check(provider, name, by=actor(request))
    except credentials.Unknown as error:
        raise Http404(str(error)) from error
    (messages.success if tested.ok else messages.error)(request, tested.message)
    return redirect("providers")


@page(Group.OPERATOR, "POST")
def ping(request: HttpRequest, provider: str) -> HttpResponse:
    """Whether the provider answers now."""
    try:
        answer = discovery.ask(provider)
    except discovery.Unknown as error:
        raise Http404(str(error)) from error
    except (discovery.Unreachable, upstreams.Refused) as error:
        messages.error(request, str(error))
    else:
        count = len(answer.models)
        told = "is simulated: nobody was asked" if answer.simulated else f"answered in {answer.total_ms:,.0f} ms"
        messages.success(request, f"{provider} {told}; it lists {count} model{'' if count == 1 else 's'}.")
    return redirect("providers")


@page(Group.OPERATOR, "POST")
def discover(request: HttpRequest, provider: str) -> HttpResponse:
    """What the provider serves now, beside what the table has of it. A POST, because it asks somebody else."""
    try:
        answer = discovery.ask(provider)
    except discovery.Unknown as error:
        raise Http404(str(error)) from error
    except (discovery.Unreachable, upstreams.Refused) as error:
        messages.error(request, str(error))
        return redirect("providers")
    known = dict(Model.objects.filter(provider__slug=provider).values_list("upstream_id", "slug"))
    served = [
        (each, known.get(each.upstream_id) or known.get(each.upstream_id.removesuffix(":latest")))
        for each in answer.models
    ]
    found = {slug for _, slug in served}
    context = {
        "provider": provider,
        "served": served,
        "missing": sorted(slug for slug in known.values() if slug not in found),
        "simulated": answer.simulated,
    }
    return render(request, "routing/discover.html", context)


@page(Group.OPERATOR, "POST")
def switch_local(request: HttpRequest, provider: str) -> HttpResponse:
    """The local plan on, if its server answers at the address, or off again: one revision either way."""
    reason, url = (request.POST.get(name, "").replace("\0", "").strip()[:500] for name in ("reason", "base_url"))
    try:
        if request.POST.get("do") == "off":
            local.switch_off(by=actor(request), provider=provider, reason=reason)
            messages.success(request, "Local models are off. Every task has the route back that it had.")
        else:
            now = local.switch_on(url or None, by=actor(request), provider=provider, reason=reason)
            messages.success(request, f"Local models are on, at {now.base_url}.")
            for model in now.missing:
                messages.warning(request, f"{model.key} is not served: {model.mend}")
    except discovery.Unknown as error:
        raise Http404(str(error)) from error
    except (discovery.Unreachable, Invalid, changes.Stale) as error:
        messages.error(request, f"Nothing was changed. {error}")
    return redirect("providers")
