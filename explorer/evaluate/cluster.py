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
_MOST_BLOCKS = 10_000  # tasks that a run is cut into; each costs the driver a few kilobytes


class ClusterUnavailable(ExplorerError):
    """Ray is not installed, or its cluster does not answer."""


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


def answers(plan: Plan, work: Work) -> Generator[Answered, None, None]:
    """What the networks say of each batch, in whatever order the batches are done.

    All nodes must see the folder and the parts under the same paths, and have this program installed.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of every plan; our own line tells of progress
    device = start(plan.ray, plan.device)
    places, cores = _places(ray, device)
    # A block is a few batches: small enough that the networks begin at once.
    blocks = min(work.count, _MOST_BLOCKS)
    # Nearly a core: were it the same as an actor's, Ray would let the actors read as well, one after the other.
    read = ray.data.range(work.count, override_num_blocks=blocks).map(_Reading(work), num_cpus=0.99)
    options: dict[str, Any] = {"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": cores}
    asked = read.map_batches(
        _Asking,
        fn_constructor_args=(plan.models, plan.weights, device, cores),
        batch_size=1,
        compute=ActorPoolStrategy(size=places),
        **options,
    )
    for row in asked.iter_rows():
        yield pickle.loads(row["answered"])  # noqa: S301  what our own actors made


def _places(ray: Any, device: str) -> tuple[int, int]:
    """How many actors hold the networks, and with how many cores each."""
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if device.startswith("cuda"):
        return max(1, int(sum(each.get("GPU", 0) for each in resources))), 1
    cores = [int(each["CPU"]) for each in resources if each.get("CPU", 0) >= 1]
    # One to a node, with half of its cores: the other half reads pictures.
    return max(1, len(cores)), max(1, min(cores, default=2) // 2)


class _Reading:
    """A task that reads one batch."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"batch": pickle.dumps(self.work.batch(int(row["id"])))}


class _Asking:
    """An actor that holds the networks."""

    def __init__(self, models: tuple[str, ...], weights: str, device: str, cores: int) -> None:
        os.environ["CNN_EXPLORER_THREADS"] = str(cores)
        from explorer.evaluate.asking import load

        self.networks = load(models, weights, device)

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        found = [pickle.dumps(self.networks.answer(pickle.loads(row))) for row in rows["batch"]]  # noqa: S301
        return {"answered": found}
