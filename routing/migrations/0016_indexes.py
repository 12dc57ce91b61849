"""Which observed calls are a client's; which answers a provider keeps; which sessions are still warm.

In a migration of their own, for these are built without a transaction around them. Where 0014 and 0015 once made them, nothing is left to do.
"""

from django.db import migrations, models

from routing.migrations import _indexes

OBSERVED, STORED, SEEN = "routing_call_observed", "attempt_stored", "item_seen"


def build(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        observed = "(client, id) WHERE role = 'observed'"
        _indexes.build_by_month(cursor, OBSERVED, "routing_call", observed, "{month}_observed")
        _indexes.build_by_month(cursor, STORED, "routing_attempt", "(stored) WHERE stored <> ''", "{month}_stored")
        _indexes.build(cursor, SEEN, "routing_workitem", "(seen_at) WHERE seen_at IS NOT NULL")


def drop(apps, schema_editor):
    for name in (OBSERVED, STORED, SEEN):
        schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY
    dependencies = [("routing", "0015_adoption")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(build, drop)],
            [
                migrations.AddIndex(
                    "workitem",
                    models.Index(fields=["seen_at"], name=SEEN, condition=models.Q(seen_at__isnull=False)),
                )
            ],
        )
    ]
