"""Calls that may wait for a provider; limits of clients and the last seconds of circuits, shared by all processes."""

import django.db.models.deletion
from django.db import migrations, models

import routing.models._fields


class Migration(migrations.Migration):
    dependencies = [("routing", "0011_idempotency")]

    operations = [
        migrations.AddField("provider", "max_waiting", models.PositiveIntegerField(blank=True, null=True)),
        migrations.CreateModel(
            name="LimitPool",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("measure", models.CharField(max_length=12)),
                ("slots", models.JSONField(default=dict)),
                ("holds", models.JSONField(default=dict)),
                ("told_at", models.DateTimeField()),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pools", to="routing.client"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("client", "measure"), name="limit_pool_of")],
            },
        ),
        migrations.CreateModel(
            name="CircuitWindow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", routing.models._fields.slug()),
                ("model", models.CharField(max_length=120)),
                ("process", models.CharField(max_length=120)),
                ("calls", models.PositiveIntegerField()),
                ("failures", models.PositiveIntegerField()),
                ("told_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("provider", "model", "process"), name="circuit_window_of")
                ],
            },
        ),
    ]
