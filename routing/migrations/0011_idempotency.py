from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0010_batches")]

    operations = [
        migrations.RenameField("idempotencyclaim", "body_sha256", "body_mac"),
        migrations.AlterField(
            "idempotencyclaim",
            "state",
            models.CharField(
                choices=[
                    ("running", "running"),
                    ("done", "done"),
                    ("unknown", "unknown"),
                    ("released", "released"),
                ],
                max_length=24,
            ),
        ),
    ]
