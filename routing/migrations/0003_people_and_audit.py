"""The four groups; and audit events that the database itself refuses to change or delete."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GROUPS = ("viewer", "operator", "approver", "admin")

APPEND_ONLY = """
CREATE FUNCTION routing_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Audit events are append-only: event % stays as it is.', OLD.sequence;
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON routing_auditevent
    FOR EACH ROW EXECUTE FUNCTION routing_append_only();
"""

UNDO = """
DROP TRIGGER audit_append_only ON routing_auditevent;
DROP FUNCTION routing_append_only();
"""


def make_groups(apps, schema_editor):
    group = apps.get_model("auth", "Group")
    for name in GROUPS:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0002_partitions"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.AlterField(
            model_name="auditevent",
            name="actor",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(APPEND_ONLY, UNDO),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
