"""A check that all processes are about to do the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nn.errors import ProcessesError, on_all_ranks
from nn.processes.single import Processes


def check_same(processes: Processes, facts: Mapping[str, Any], remedy: str) -> None:
    """Raise on every rank if a fact is not the same on all of them.

    Parameters
    ----------
    processes : Processes
    facts : dict of str to value
        What must be the same, by the name in the error; compared as text.
    remedy : str
        What to do, for the end of the error.

    Raises
    ------
    ProcessesError
        It names the first fact that differs, its values and the rank.
    """
    if processes.size == 1:
        return
    ours = {name: str(value) for name, value in facts.items()}
    all_facts = processes.gather(ours)
    problem = processes.share(_difference(all_facts))
    if problem:
        raise on_all_ranks(ProcessesError(f"{problem}; {remedy}"))


def _difference(all_facts: list[dict[str, str]]) -> str:
    """What the first rank that differs from rank 0 has and what rank 0 has, or ""."""
    for rank, facts in enumerate(all_facts):
        first = all_facts[0]
        for name in [*first, *facts]:
            if facts.get(name) != first.get(name):
                expected, got = (each.get(name, "nothing") for each in (first, facts))
                return f"{name}: expected {expected} on rank {rank} as on rank 0, got {got}"
    return ""
