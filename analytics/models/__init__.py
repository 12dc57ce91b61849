"""What is known of the calls: counts that outlive them, the evidence, and what people decided on it."""

from analytics.models.evidence import Block, Comparison, Rollup, Tally, YardstickState
from analytics.models.guards import Guard
from analytics.models.proposals import Proposal
from analytics.models.reviews import Review

__all__ = ["Block", "Comparison", "Guard", "Proposal", "Review", "Rollup", "Tally", "YardstickState"]
