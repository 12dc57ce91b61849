"""What a cost is made of: searches, the service tier, the rates that it was frozen at; whether its tokens are an estimate.

Columns with a constant default: no table is rewritten, however long the history.
"""

from django.db import migrations, models

import routing.models._fields

PRICES = ("reasoning", "searches_1k", "requests_1k")
COLUMNS = """
ALTER TABLE routing_attempt
    ADD COLUMN searches integer NULL,
    ADD COLUMN service_tier varchar(24) NOT NULL DEFAULT '',
    ADD COLUMN estimated boolean NOT NULL DEFAULT false,
    ADD COLUMN rates text NOT NULL DEFAULT ''
"""
UNDO = """
ALTER TABLE routing_attempt
    DROP COLUMN searches, DROP COLUMN service_tier, DROP COLUMN estimated, DROP COLUMN rates
"""


class Migration(migrations.Migration):
    dependencies = [("routing", "0008_prices")]

    operations = [
        *(migrations.AddField("price", name, routing.models._fields.usd_or_none()) for name in PRICES),
        migrations.AddField("price", "service_tiers", models.JSONField(blank=True, default=dict)),
        migrations.RunSQL(
            COLUMNS,
            UNDO,
            state_operations=[
                migrations.AddField("attempt", "searches", models.IntegerField(blank=True, null=True)),
                migrations.AddField(
                    "attempt", "service_tier", models.CharField(blank=True, db_default="", max_length=24)
                ),
                migrations.AddField("attempt", "estimated", models.BooleanField(db_default=False)),
                migrations.AddField("attempt", "rates", models.TextField(blank=True, db_default="")),
            ],
        ),
    ]
