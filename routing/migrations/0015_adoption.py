"""What adoption without rewriting takes: what of a client's observed calls a person has ignored; who has seen an alert."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0014_sessions")]

    operations = [
        migrations.AddField("client", "ignored", models.JSONField(blank=True, default=list)),
        migrations.AddField("client", "version", models.PositiveIntegerField(default=0)),
        migrations.AddField("alert", "seen_at", models.DateTimeField(blank=True, null=True)),
    ]
