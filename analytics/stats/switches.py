"""Which of the proved comparisons to propose: one open switch a task type, the greatest saving first."""

from collections.abc import Iterable

from analytics.stats.results import Comparison


def best_switches(comparisons: Iterable[Comparison]) -> dict[str, Comparison]:
    """The comparison to propose by task type, among those with a verdict.

    A saving that is not known counts as none; between equal savings the better, then the first by name.
    """
    proved = [one for one in comparisons if one.verdict is not None]
    proved.sort(key=lambda one: (one.task_type, -(one.saving_per_day or 0.0), -_lead(one), one.challenger))
    best: dict[str, Comparison] = {}
    for one in proved:
        best.setdefault(one.task_type, one)
    return best


def _lead(one: Comparison) -> float:
    return one.success.estimate if one.success else 0.0
