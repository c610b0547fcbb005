"""Many measurements, one after the other, each stored at once: what is stopped or killed goes on where it was."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from explorer import catalogue, devices, models
from explorer.benchmark import machine, store
from explorer.benchmark.measuring import SECONDS, WARM_UP, measuring
from explorer.benchmark.records import BadSettings, Benchmark, Settings
from explorer.errors import Cancelled, ExplorerError
from explorer.jobs import Progress
from explorer.weight_files import WeightsMismatch, WeightsUnavailable

if TYPE_CHECKING:
    from explorer.models import Model

MOST_POINTS = 500
_LOADING_S = 1.5  # of a network, with its copy; a guess for the first estimate only
Point = tuple[str, Settings]


@dataclass(frozen=True)
class Skipped:
    """A measurement that could not be made, and why, in one sentence."""

    slug: str
    settings: Settings
    reason: str


@dataclass(frozen=True)
class Plan:
    """Every combination of these.

    Attributes:
        slugs: of networks.
        batch_sizes: images at once.
        precisions: 'fp32', 'bf16', 'fp16'.
        channels_last: False, True or both.
        threads: of torch.
        compiled: False, True or both.
        device: 'auto', 'cpu', 'cuda:0', 'mps'.
        seconds: of passes that count, for each measurement.
    """

    slugs: tuple[str, ...]
    batch_sizes: tuple[int, ...] = (1,)
    precisions: tuple[str, ...] = ("fp32",)
    channels_last: tuple[bool, ...] = (False,)
    threads: tuple[int, ...] = (1,)
    compiled: tuple[bool, ...] = (False,)
    device: str = "auto"
    seconds: float = SECONDS

    @property
    def points(self) -> tuple[Point, ...]:
        """The measurements in their order, network by network, none twice.

        Raises:
            UnknownArchitecture: no such network.
            BadSettings: settings that mean nothing, or too many or no measurements.
        """
        axes: tuple[tuple[Any, ...], ...] = (
            self.slugs,
            self.batch_sizes,
            self.precisions,
            self.channels_last,
            self.threads,
            self.compiled,
        )
        found = [(catalogue.get(slug).slug, Settings(*rest)) for slug, *rest in itertools.product(*axes)]
        points = tuple(dict.fromkeys(found))
        if not 1 <= len(points) <= MOST_POINTS:
            raise BadSettings(
                f"A plan has 1 to {MOST_POINTS} measurements, not {len(points):,}; choose other settings."
            )
        return points

    def to_json(self) -> str:
        """The plan as text; equal plans have equal texts."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        plan: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**plan)


def expected_seconds(plan: Plan) -> tuple[float, ...]:
    """About how long each measurement of a plan takes, by what is known from earlier ones on this machine."""
    here = machine.fingerprint(devices.choose(plan.device)).hash
    known: dict[tuple[str, str], float] = {}  # seconds for one image; the slowest that is known
    for kept in store.latest(machine=here):
        key = (kept.result.slug, kept.result.precision)
        known[key] = max(known.get(key, 0.0), kept.result.median_ms / 1000 / kept.result.batch_size)
    seconds = []
    for slug, settings in plan.points:
        one = known.get((slug, settings.precision), known.get((slug, "fp32"), 0.05)) * settings.batch_size
        compiling = 60.0 if settings.compiled else 0.0
        seconds.append(_LOADING_S + (WARM_UP + 1) * one + max(plan.seconds, 5 * one) + compiling)
    return tuple(seconds)


def run(
    plan: Plan, name: str | None = None, *, load: Callable[[str, str], Model] | None = None
) -> Iterator[Progress[Benchmark | Skipped]]:
    """Measures what of a plan has not been measured yet; every result is stored before it is told.

    Args:
        plan: what to measure.
        name: of a run in the store that goes on; a new one by default.
        load: gives the network for a slug and a device; by default the app's, without fetching weights.

    Yields:
        Progress over what is left, in expected seconds; another benchmark in this process is waited for.

    Raises:
        StoreBroken: a result cannot be kept; the run stays unfinished.
    """
    points, expected = plan.points, expected_seconds(plan)
    name = name or store.begin(plan.to_json())
    known = store.points(name)
    left = [
        (number, point, seconds)
        for number, (point, seconds) in enumerate(zip(points, expected, strict=True), start=1)
        if point not in known
    ]
    total, done = sum(seconds for *_, seconds in left), 0.0  # of what is left: what was done earlier sets no pace
    for number, (slug, settings), share in left:
        title = f"{number} of {len(points)}: {catalogue.get(slug).title}, batch {settings.batch_size}"
        yield Progress(done, total, f"{title}, {settings.words}")
        try:
            model = (load or loaded)(slug, plan.device)
            for step in measuring(model, settings, seconds=plan.seconds, wait=True):
                if step.result is not None:
                    store.add(step.result, name)
                yield Progress(done + share * step.share, total, f"{title}, {settings.words}", step.result)
            del model
        except (Cancelled, store.StoreBroken):  # nothing is skipped for want of a place to keep it
            raise
        except ExplorerError as error:
            yield Progress(done + share, total, title, Skipped(slug, settings, str(error)))
        done += share
    store.finish(name)


def loaded(slug: str, device: str = "auto") -> Model:
    """A network to be timed: bundled weights or random ones, never a download, since weights make no difference."""
    policy = "bundled" if catalogue.get(slug).bundled is not None else "random"
    try:
        return models.load(slug, policy, device)
    except (WeightsUnavailable, WeightsMismatch):
        return models.load(slug, "random", device)


def thread_choices() -> tuple[int, ...]:
    """Numbers of threads worth comparing here: the app's own, then 1, 2, 4 ... up to the cores."""
    doubled = [2**power for power in range(8) if 2**power <= machine.cores()]
    return tuple(dict.fromkeys((devices.configure_threads(), *doubled, machine.cores())))
