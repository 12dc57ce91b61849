"""The console's pages about routing. Pages that show what analytics measured stand in analytics.urls."""

from django.urls import URLPattern, path

from routing.views import alerts, audit, calls, clients, edit, history, models, route_test

urlpatterns: list[URLPattern] = [
    path("routing/new", edit.new, name="route-new"),
    path("routing/<path:task>/edit", edit.edit, name="route-edit"),
    path("routing/<path:task>/remove", edit.remove, name="route-remove"),
    path("routing/<path:task>/models", edit.picks, name="route-picks"),
    path("route-test/", route_test.route_test, name="route-test"),
    path("history/", history.timeline, name="history"),
    path("history/compare", history.compare, name="revision-compare"),
    path("history/<int:number>/", history.revision, name="revision"),
    path("history/<int:number>/restore", history.restore, name="revision-restore"),
    path("calls/", calls.calls, name="calls"),
    path("calls/<str:request_id>/", calls.call, name="call"),
    path("calls/<str:request_id>/verdict", calls.verdict, name="call-verdict"),
    path("models/", models.models, name="models"),
    path("models/<path:provider>/reset", models.reset, name="provider-reset"),
    path("clients/", clients.every, name="clients"),
    path("clients/keys", clients.create_key, name="key-create"),
    path("clients/keys/<str:prefix>/revoke", clients.revoke_key, name="key-revoke"),
    path("alerts/", alerts.every, name="alerts"),
    path("audit/", audit.events, name="audit"),
    path("audit/verify", audit.verify, name="audit-verify"),
]
