"""The strength tags that a kind of work asks of its models; a route's own order of providers."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0003_people_and_audit")]

    operations = [
        migrations.AddField(
            model_name="tasktype",
            name="wants",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="route",
            name="rotation",
            field=models.JSONField(blank=True, default=list),
        ),
    ]
