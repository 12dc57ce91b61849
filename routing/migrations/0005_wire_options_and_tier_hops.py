"""What a provider's wire needs otherwise than its kind says; how many hops of the next lower tier a route's chain takes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0004_tags_and_rotation")]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="options",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="route",
            name="lower_tier_max_hops",
            field=models.PositiveSmallIntegerField(blank=True, default=2, null=True),
        ),
    ]
