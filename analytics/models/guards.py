from django.db import models

from analytics.models._fields import model_key, task_type


class Guard(models.Model):
    """What watches one model on one route: the one-sample e-value of `stats.guard`, as it stood after a night."""

    task_type = task_type()
    model = model_key()
    simulated = models.BooleanField(default=False)
    since = models.DateField()  # first night the model served as primary
    proposal = models.ForeignKey(
        "Proposal", models.SET_NULL, null=True, blank=True, related_name="guards"
    )  # the approval it watches
    state = models.CharField(max_length=24, default="baseline")  # baseline, watching, fired, ended
    baseline = models.JSONField(default=dict)  # {"n", "successes", "until", "rate"}
    as_of = models.DateField()
    nights = models.IntegerField(default=0)
    graded = models.IntegerField(default=0)
    log_e = models.FloatField(default=0)  # fires at ln 7300
    trail = models.JSONField(default=list)  # [{"night", "n", "rate", "log_e"}] of the last 120 nights
    fired_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task_type", "model", "simulated", "since"], name="guard_key")]
