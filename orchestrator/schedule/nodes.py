"""The same question to every node of a cluster."""

from collections.abc import Callable
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

Answer = TypeVar("Answer")

SECONDS = 120  # for a node to start a process and answer


def on_each_node(question: Callable[..., Answer], *arguments: Any) -> dict[str, Answer | str]:
    """What each living node answers, by its address; or in words why it gave no answer.

    One task a node, which takes none of its CPUs, so a busy node answers, too.
    """
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    task = ray.remote(question)
    asked = {
        address: task.options(
            num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(*arguments)
        for node, address in nodes.items()
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=SECONDS)
    return {address: _answer(reference) for address, reference in asked.items()}


def _answer(reference: Any) -> Any:
    try:
        return ray.get(reference, timeout=0)
    except RayError as error:
        return str(error).strip().splitlines()[-1]
