"""What steps are called, and where in the network they belong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from explorer.graph.model import INPUT
from explorer.graph.replay import Step


def give_names(steps: Sequence[Step]) -> None:
    """Names of modules are those of `explorer.capture`: '#1', '#2' where one is called more than once."""
    calls = Counter(step.path for step in steps if step.module is not None)
    number: Counter[str] = Counter()
    taken = {INPUT}
    for step in steps:
        if step.module is not None:
            number[step.path] += 1
            name = step.path or step.operation
            step.name = name if calls[step.path] == 1 and name not in taken else f"{name}#{number[step.path]}"
            taken.add(step.name)
    for step in steps:
        if step.module is None:
            base = f"{step.path}.{step.operation}" if step.path else step.operation
            number[base] += 1
            name = base if number[base] == 1 else f"{base}#{number[base]}"
            while name in taken:
                number[base] += 1
                name = f"{base}#{number[base]}"
            step.name = name
            taken.add(name)


def parent(step: Step, modules: Mapping[str, str]) -> str:
    """The innermost module that ran around it; lists of modules do not run."""
    path = step.path if step.module is None else step.path.rpartition(".")[0]
    while path and path not in modules:
        path = path.rpartition(".")[0]
    return path
