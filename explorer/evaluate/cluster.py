"""On a cluster, or on this machine as one, through Ray Data: tasks read pictures, actors hold the networks."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError
from explorer.evaluate.batches import Work

if TYPE_CHECKING:
    from explorer.evaluate.asking import Answered
    from explorer.evaluate.plan import Plan

LOCAL = "local"
_ROOT = Path(__file__).resolve().parents[2]
_READING = 0.99  # of a core: were it the same as an actor's, Ray would let the actors read, one after the other
_MOST_BLOCKS = 10_000  # tasks that a run is cut into; each costs the driver a few kilobytes


class ClusterUnavailable(ExplorerError):
    """Ray is not installed, or its cluster does not answer, or not with these networks."""


def start(address: str, device: str) -> str:
    """Connects to a cluster, or starts one on this machine; returns the device that its networks will use.

    Raises:
        ClusterUnavailable: Ray is missing, or nothing answers at ``address``.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterUnavailable("Ray is not installed; run pip install 'ray[data]', or leave --ray out.") from error
    if not ray.is_initialized():
        options: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {"address": address}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of actors that are never restarted here
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        try:
            ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise ClusterUnavailable(
                f"No Ray cluster answers at {address!r}; give its address, or --ray local for this machine."
            ) from error
    if device != "auto":
        return device
    resources: Any = ray.cluster_resources
    return "cuda" if resources().get("GPU", 0) >= 1 else "cpu"


def answers(plan: Plan, work: Work, identities: tuple[str, ...]) -> Generator[Answered, None, None]:
    """What the networks say of each batch, in whatever order the batches are done.

    All nodes must see the folder and the parts under the same paths, and have this program installed.

    Args:
        plan: the evaluation.
        work: what is to be read.
        identities: of the networks as this machine has them.

    Raises:
        ClusterUnavailable: a node cannot load the networks, or loads others than this machine.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of every plan; our own line tells of progress
    device = start(plan.ray, plan.device)
    places, cores, own = _places(ray, device)
    # A block is a few batches: small enough that the networks begin at once.
    blocks = min(work.count, _MOST_BLOCKS)
    read = ray.data.range(work.count, override_num_blocks=blocks).map(_Reading(work), num_cpus=_READING)
    options: dict[str, Any] = {"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": own}
    asked = read.map_batches(
        _Asking,
        fn_constructor_args=(plan.models, identities, plan.weights, device, cores),
        batch_size=1,
        compute=ActorPoolStrategy(size=places),
        **options,
    )
    for row in asked.iter_rows():
        found = pickle.loads(row["answered"])  # noqa: S301  what our own actors made
        if isinstance(found, str):
            raise ClusterUnavailable(found)
        yield found


def _places(ray: Any, device: str) -> tuple[int, int, float]:
    """How many actors hold the networks, with how many threads each, and how many cores are kept for each."""
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if device.startswith("cuda"):
        return max(1, int(sum(each.get("GPU", 0) for each in resources))), 1, 0.0
    cores = [int(each["CPU"]) for each in resources if each.get("CPU", 0) >= 1]
    # One to a node, with half of its cores: the other half reads pictures.
    least = min(cores, default=2)
    share = max(1, least // 2)
    # A node's only core must not be the actor's: nobody could read for it, and it would wait for ever.
    return max(1, len(cores)), share, float(share) if least > 1 else 0.0


class _Reading:
    """A task that reads one batch."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"batch": pickle.dumps(self.work.batch(int(row["id"])))}


class _Asking:
    """An actor that holds the networks, the same ones as the machine that asks; else its answer is why it cannot.

    An error that an actor raises comes back wrapped up in Ray's own, or makes Ray try for ever.
    """

    def __init__(
        self, models: tuple[str, ...], identities: tuple[str, ...], weights: str, device: str, cores: int
    ) -> None:
        os.environ["CNN_EXPLORER_THREADS"] = str(cores)
        from explorer.evaluate.asking import load
        from explorer.evaluate.plan import identity

        self.refusal = ""
        try:
            self.networks = load(models, weights, device)
        except ExplorerError as error:
            self.refusal = f"A node of the cluster cannot answer: {error}"
            return
        for model, wanted in zip(self.networks.models, identities, strict=True):
            if identity(model) != wanted:  # 'auto' is random weights where the file is missing
                self.refusal = (
                    f"A node of the cluster loads {model.card.title} with other weights ({model.weights.name}) than "
                    "this machine; put the same weight files on all nodes, or name --weights that all of them have."
                )
                return

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        if self.refusal:
            return {"answered": [pickle.dumps(self.refusal) for _ in rows["batch"]]}
        found = [pickle.dumps(self.networks.answer(pickle.loads(row))) for row in rows["batch"]]  # noqa: S301
        return {"answered": found}
