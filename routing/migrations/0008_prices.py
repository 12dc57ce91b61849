"""Prices of long contexts and of one-hour cache writes; what the catalogue said of each model, and when."""

from django.db import migrations, models

import routing.models._fields


class Migration(migrations.Migration):
    dependencies = [("routing", "0007_alerts_told")]

    operations = [
        migrations.AddField("price", "cache_write_1h", routing.models._fields.usd_or_none()),
        migrations.AddField("price", "tiers", models.JSONField(blank=True, default=list)),
        migrations.CreateModel(
            name="CataloguePrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", routing.models._fields.slug()),
                ("upstream_id", models.CharField(max_length=200)),
                ("rates", models.JSONField()),
                ("source", models.CharField(max_length=60)),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-seen_at"],
                "constraints": [
                    models.UniqueConstraint(fields=("provider", "upstream_id", "seen_at"), name="catalogue_price")
                ],
            },
        ),
    ]
