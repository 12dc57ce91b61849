"""For every document there is: what was loaded comes out, and loading what came out changes nothing."""

import json
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings

from routing import document
from routing.audit import SYSTEM
from tests.routing.document.documents import documents

pytestmark = pytest.mark.django_db


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents())
def test_loading_a_dump_changes_nothing_and_tells_no_difference(raw: dict[str, Any]) -> None:
    with transaction.atomic():
        first = document.load(raw, by=SYSTEM)
        assert first.is_new
        dumped = json.loads(json.dumps(document.dump()))
        for section, parts in raw.items():
            assert len(dumped[section]) == len(parts)
        assert document.preview(dumped) == ()
        again = document.load(dumped, by=SYSTEM)
        assert (again.is_new, again.revision, again.changes) == (False, first.revision, ())
        assert document.dump() == dumped
        # The file that was loaded says nothing that the table does not say by now.
        assert not document.load(raw, by=SYSTEM).is_new
        transaction.set_rollback(True)
