"""What a run of a batch needs: whose key pays, what became of each call, and when the batch is worth another try; outputs of second opinions."""

from django.db import migrations, models

import routing.models._fields
import routing.terms.words


class Migration(migrations.Migration):
    dependencies = [("routing", "0009_costs")]

    operations = [
        migrations.RemoveField("batch", "done"),  # counted over the items: two truths would drift apart
        migrations.RemoveField("batch", "failed"),
        migrations.RemoveField("batchitem", "error"),  # it may quote a prompt: it is encrypted with the answer
        migrations.AddField("batch", "key_prefix", models.CharField(blank=True, max_length=16)),
        migrations.AddField("batch", "stops_running", models.BooleanField(default=False)),
        migrations.AddField("batch", "sent_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("batch", "not_before", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("batchitem", "error_code", models.CharField(blank=True, max_length=60)),
        migrations.AddField("batchitem", "tries", models.PositiveSmallIntegerField(default=0)),
        migrations.AddField("batchitem", "cost_usd", routing.models._fields.usd_or_none()),
        migrations.AddField("batchitem", "input_tokens", models.IntegerField(blank=True, null=True)),
        migrations.AddField("batchitem", "output_tokens", models.IntegerField(blank=True, null=True)),
        migrations.AddField("batchitem", "started_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("batchitem", "finished_at", models.DateTimeField(blank=True, null=True)),
        migrations.AlterField(
            "batchitem",
            "status",
            routing.models._fields.word(routing.terms.words.ItemStatus, default=routing.terms.words.ItemStatus.QUEUED),
        ),
        # What is kept of the outputs of a call and of its second opinion.
        migrations.AddField(
            "attempt", "output_hash", models.CharField(blank=True, db_default="", default="", max_length=64)
        ),
        migrations.AddField("attempt", "output_chars", models.IntegerField(blank=True, null=True)),
        migrations.AddIndex(
            "batch", models.Index(fields=["id"], condition=models.Q(finished_at=None), name="batch_open")
        ),
    ]
