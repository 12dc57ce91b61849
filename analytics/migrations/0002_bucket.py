"""The bucket of a log-histogram in SQL, as `stats.buckets.bucket_of` has it."""

from django.db import migrations

BUCKET = """
CREATE FUNCTION analytics_bucket(x double precision) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ceil(ln(greatest(x, 1e-9)) / ln(1.02::double precision) - 1e-9)::int
$$
"""


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_evidence"), ("routing", "0002_partitions")]

    operations = [migrations.RunSQL(BUCKET, "DROP FUNCTION analytics_bucket(double precision)")]
