"""The only package that imports Ray: Tune trains the trials, plain tasks measure the checkpoints.

What was done is what the store says; Ray keeps nothing. A process that dies is tried again, and its trial then finds
its own newest checkpoint; an exception of the trial's own is a result and is not tried again.
"""

from orchestrator.schedule.cluster import Cluster, Part, connect
from orchestrator.schedule.job import add_to_metadata
from orchestrator.schedule.measuring import Measurements
from orchestrator.schedule.nodes import on_each_node
from orchestrator.schedule.search import draw
from orchestrator.schedule.training import train

__all__ = [
    "Cluster",
    "Measurements",
    "Part",
    "add_to_metadata",
    "connect",
    "draw",
    "on_each_node",
    "train",
]
