"""From a network to its graph, without computing: names, counts and receptive fields of what was recorded."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry

from explorer.cost import meta_twin
from explorer.graph.fields.following import Call, Fields
from explorer.graph.model import INPUT, Graph, Node
from explorer.graph.names import give_names, parent
from explorer.graph.recording import Recorder
from explorer.graph.replay import Made, Recipe, Replay, Step, leaves
from explorer.graph.settings import of_step
from explorer.graph.shapes import key_of
from explorer.receptive_field import ReceptiveField


@dataclass(frozen=True)
class Recording:
    """A graph, and what it takes to run it again."""

    graph: Graph
    steps: tuple[Step, ...]
    image: Step
    answer: Recipe


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> Graph:
    """The graph of a network in evaluation, for one image.

    The module runs on PyTorch's meta device, which follows shapes and holds no numbers: ViT-L needs no memory. What
    runs is a copy without hooks, so that the module stays as it is and other threads may use it meanwhile.

    A module without parts is one node, and so is one whose parts did not run by themselves (`nn.MultiheadAttention`).
    What a container's own code computes with what it got is a node for each call ('add', 'cat', 'flatten'). What does
    not depend on the image (a class token, a bias made of a table) belongs to the node that uses it first, with its
    parameters. Parameters that did not take part, as those of an auxiliary head, are not in the graph.

    Args:
        module: any network with one input.
        input_shape: of one image with its batch axis, (1, C, H, W), or (1, ...) of whatever the module takes.

    Returns:
        The graph. Where tracing came to an end, because the network raised an exception or asks for the numbers in a
        tensor, its `failure` says where and why, and the nodes are those that were reached.

    Raises:
        ValueError: `input_shape` does not begin with 1.
    """
    return record(module, input_shape).graph


def execute(graph: Graph, module: nn.Module, inputs: Tensor) -> Any:
    """What the network answers, computed node by node, each from the outputs of its inputs and nothing else.

    If this equals `module(inputs)`, then no edge is missing.

    Args:
        graph: of this module.
        module: the network, in evaluation mode; its device is that of `inputs`.
        inputs: of the graph's input shape.

    Raises:
        ValueError: the graph is not this module's or not whole, the module is training, or the inputs have another
            shape.
    """
    if graph.failure:
        raise ValueError(f"An unfinished graph cannot be executed. {graph.failure}")
    if module.training:
        raise ValueError("The graph is that of evaluation: call module.eval() first.")
    if tuple(inputs.shape) != graph.input_shape:
        raise ValueError(f"The graph was traced for {graph.input_shape}, not for {tuple(inputs.shape)}.")
    recording = record(module, graph.input_shape)
    if recording.graph != graph:
        raise ValueError("This is the graph of another network.")
    with torch.no_grad():
        return Replay(module, recording.image, inputs).run(list(recording.steps), recording.answer)


def record(module: nn.Module, input_shape: tuple[int, ...]) -> Recording:
    """As `trace`, with what `execute` needs."""
    if len(input_shape) < 2 or input_shape[0] != 1:
        raise ValueError(f"input_shape must be that of one image, (1, C, H, W), not {tuple(input_shape)}.")
    image = torch.empty(*input_shape, device="meta")
    try:
        twin = meta_twin(module)
    except Exception as error:  # no copy, or parameters whose shapes are not known yet
        nothing = Graph((), (), {}, tuple(input_shape), f"Tracing could not begin: {_reason(error)}.")
        return Recording(nothing, (), Step(INPUT, outputs=(image,), name=INPUT), None)
    recorder = Recorder(twin, image)
    failure = ""
    try:
        recorder.run()
    except Exception as error:  # whatever a network may raise
        failure = _sentence(*recorder.where, error)
    nodes = tuple(_nodes(recorder))
    outputs = dict.fromkeys(part.step.name for _, part in leaves(recorder.answer) if isinstance(part, Made))
    graph = Graph(nodes, tuple(outputs), dict(recorder.modules), tuple(input_shape), failure)
    return Recording(graph, tuple(recorder.steps), recorder.image, recorder.answer)


def _sentence(path: str, module: nn.Module, error: Exception) -> str:
    where = f"in {path} ({type(module).__name__})" if path else f"in the code of {type(module).__name__} itself"
    reason = _reason(error)
    if "meta" in reason.lower():
        reason = f"it asks for the numbers in a tensor, and tracing knows shapes only ({reason})"
    return f"Tracing ended {where}: {reason}."


def _reason(error: Exception) -> str:
    """The first line of its message, without the full stop."""
    return (str(error).strip().splitlines() or [""])[0].strip().rstrip(".") or type(error).__name__


def _nodes(recorder: Recorder) -> Iterator[Node]:
    give_names(recorder.steps)
    image = recorder.image.outputs[0]
    fields, work = _Axes(image, recorder.calls), _Work()
    parameters = {id(parameter) for parameter in recorder.network.parameters()}
    for step in recorder.steps:
        calls = [call for first, last in step.spans for call in recorder.calls[first:last]]
        own = {id(tensor): tensor for call in calls for tensor in _arguments(call) if id(tensor) in parameters}
        for part in step.module.modules() if step.module is not None else ():
            found = (parameter for parameter in part._parameters.values() if id(parameter) in parameters)
            own |= {id(parameter): parameter for parameter in found if parameter is not None}
        parameters -= own.keys()
        yield Node(
            name=step.name,
            operation=step.operation,
            inputs=tuple(source.name for source in step.inputs),
            shape=tuple(step.outputs[0].shape) if step.outputs else (),
            params=sum(tensor.numel() for tensor in own.values()),
            macs=work.macs(calls),
            activation_bytes=4 * sum(tensor.numel() for tensor in step.outputs),
            receptive_field=fields.of(step),
            parent=parent(step, recorder.modules),
            module=step.path if step.module is not None else "",
            settings=of_step(step),
        )


class _Work:
    """Multiply-accumulates by PyTorch's formulas, worked out once for the same shapes."""

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}

    def macs(self, calls: Sequence[Call]) -> int:
        return sum(self._flops(call) for call in calls if call.operation.overloadpacket in flop_registry) // 2

    def _flops(self, call: Call) -> int:
        key = key_of(call.operation, call.args, call.kwargs)
        if key not in self._known:
            formula = flop_registry[call.operation.overloadpacket]
            self._known[key] = formula(*call.args, **call.kwargs, out_val=call.output)
        return self._known[key]


def _arguments(call: Call) -> Iterator[Tensor]:
    return (part for _, part in leaves((call.args, call.kwargs)) if isinstance(part, Tensor))


class _Axes:
    """Receptive fields of steps, in the order in which they ran: the larger of both axes' ones."""

    def __init__(self, image: Tensor, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._done = 0
        axes = {3: (-1,), 4: (-2, -1)}.get(image.ndim, ())
        self._fields = [Fields(image, axis) for axis in axes]

    def of(self, step: Step) -> ReceptiveField | None:
        last = step.spans[-1][1]
        for call in self._calls[self._done : last]:
            for fields in self._fields:
                fields.follow(call)
        self._done = max(self._done, last)
        found = [fields.field(step.outputs[0]) for fields in self._fields if step.outputs]
        known = [field for field in found if field is not None]
        return max(known, key=lambda field: (field.whole, field.size)) if len(known) == len(found) > 0 else None
