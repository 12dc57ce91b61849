"""The console's pages that show what was measured."""

from django.urls import URLPattern, path

from analytics.views import overview, proposals, reviews, spend, table, tasks

urlpatterns: list[URLPattern] = [
    path("", overview.overview, name="overview"),
    path("routing/", table.table, name="routing"),
    path("proposals/", proposals.every, name="proposals"),
    path("proposals/<int:number>/", proposals.proposal, name="proposal"),
    path("proposals/<int:number>/approve", proposals.approve, name="proposal-approve"),
    path("proposals/<int:number>/reject", proposals.reject, name="proposal-reject"),
    path("proposals/<int:number>/revert", proposals.revert, name="proposal-revert"),
    path("tasks/<path:slug>/", tasks.task, name="task"),
    path("reviews/", reviews.every, name="reviews"),
    path("reviews/<str:week>/", reviews.review, name="review"),
    path("reviews/<str:week>/<str:form>", reviews.download, name="review-download"),
    path("spend/", spend.every, name="spend"),
]
