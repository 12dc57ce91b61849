"""With which model a session began, and which answers a provider keeps.

Columns with a constant default: nothing is rewritten, however long the history. Their indexes are built in 0016.
"""

from django.db import migrations, models

COLUMNS = """
ALTER TABLE routing_call ADD COLUMN context varchar(200) NOT NULL DEFAULT '';
ALTER TABLE routing_attempt ADD COLUMN stored varchar(32) NOT NULL DEFAULT '';
"""
UNDO = """
ALTER TABLE routing_attempt DROP COLUMN stored;
ALTER TABLE routing_call DROP COLUMN context;
"""


class Migration(migrations.Migration):
    dependencies = [("routing", "0013_leases")]

    operations = [
        migrations.RunSQL(
            COLUMNS,
            UNDO,
            state_operations=[
                migrations.AddField("call", "context", models.CharField(blank=True, db_default="", max_length=200)),
                migrations.AddField("attempt", "stored", models.CharField(blank=True, db_default="", max_length=32)),
            ],
        ),
        migrations.AddField("workitem", "scope", models.CharField(blank=True, db_default="", max_length=330)),
        migrations.AddField("workitem", "seen_at", models.DateTimeField(blank=True, null=True)),
    ]
