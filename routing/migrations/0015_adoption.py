"""What adoption without rewriting takes: which observed calls are a client's, what of it a person has ignored; who has seen an alert.

The index over calls is built month by month without holding writers up, then attached to the parent's, as PostgreSQL's manual has it:
CREATE INDEX on the parent itself would lock every month until all are built.
"""

from django.db import migrations, models

INDEX = "routing_call_observed"
COLUMNS = "(client, id) WHERE role = 'observed'"
MONTHS = """
SELECT part.inhrelid::regclass::text FROM pg_inherits AS part WHERE part.inhparent = 'routing_call'::regclass
AND NOT EXISTS (SELECT 1 FROM pg_inherits AS has JOIN pg_index AS i ON i.indexrelid = has.inhrelid
                WHERE has.inhparent = %s::regclass AND i.indrelid = part.inhrelid)
ORDER BY 1
"""
# A build that was interrupted leaves an index that nobody reads and that cannot be attached.
BROKEN = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"


def build(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        # The parent's first: a month that is made from here on brings its own.
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {INDEX} ON ONLY routing_call {COLUMNS}")
        cursor.execute(MONTHS, [INDEX])
        for (month,) in cursor.fetchall():
            name = f"{month}_observed"
            cursor.execute(BROKEN, [name])
            if cursor.fetchone():
                cursor.execute(f"DROP INDEX {name}")
            cursor.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {month} {COLUMNS}")
            cursor.execute(f"ALTER INDEX {INDEX} ATTACH PARTITION {name}")


def drop(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX IF EXISTS {INDEX}")


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY
    dependencies = [("routing", "0014_sessions")]

    operations = [
        migrations.AddField("client", "ignored", models.JSONField(blank=True, default=list)),
        migrations.AddField("client", "version", models.PositiveIntegerField(default=0)),
        migrations.AddField("alert", "seen_at", models.DateTimeField(blank=True, null=True)),
        migrations.RunPython(build, drop),
    ]
