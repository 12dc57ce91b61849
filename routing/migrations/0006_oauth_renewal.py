"""When an OAuth credential is renewed, by whom just now, and what became of the last try."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0005_wire_options_and_tier_hops")]

    operations = [
        migrations.AddField("credential", "refresh_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("credential", "leased_until", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("credential", "refresh_failures", models.PositiveIntegerField(default=0)),
        migrations.AddField("credential", "problem", models.CharField(blank=True, max_length=300)),
        migrations.AddField("credential", "refused_at", models.DateTimeField(blank=True, null=True)),
    ]
