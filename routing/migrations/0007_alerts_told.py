"""How an alert was told: at once, or with the digest."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0006_oauth_renewal")]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="notified_as",
            field=models.CharField(blank=True, default="", max_length=12),
            preserve_default=False,
        ),
    ]
