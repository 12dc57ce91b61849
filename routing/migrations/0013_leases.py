"""Budgets that hold: whether their sum is simulated money, and when a lease's owner was doubted to live."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0012_limits")]

    operations = [
        migrations.AddField("budget", "simulated", models.BooleanField(default=False)),
        migrations.AddField("lease", "doubted_at", models.DateTimeField(blank=True, null=True)),
    ]
