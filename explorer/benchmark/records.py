"""What a benchmark is asked, on which machine, and what it answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from explorer.errors import ExplorerError

PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""torch's name of the type in which weights and images are held, by the short one."""


class BadSettings(ExplorerError):
    """The benchmark cannot be run with these settings."""


@dataclass(frozen=True)
class Settings:
    """How a network is run.

    Attributes:
        batch_size: images that go through it at once.
        precision: of weights and images: 'fp32', 'bf16' or 'fp16'.
        channels_last: whether images lie in memory pixel by pixel (NHWC) and not channel by channel (NCHW).
        threads: torch's threads for one operation; what a CPU needs, a graphics card hardly.
        compiled: by ``torch.compile``, else eager.
    """

    batch_size: int = 1
    precision: str = "fp32"
    channels_last: bool = False
    threads: int = 1
    compiled: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= 1024:
            raise BadSettings(f"A batch of {self.batch_size} images cannot be measured; choose 1 to 1024.")
        if self.precision not in PRECISIONS:
            raise BadSettings(f"There is no precision {self.precision!r}; choose one of {', '.join(PRECISIONS)}.")
        if not 1 <= self.threads <= 1024:
            raise BadSettings(f"{self.threads} threads cannot work; choose 1 or more.")

    @property
    def words(self) -> str:
        """For people, without the batch size: 'fp32, 1 thread' and what is unusual."""
        extra = (", channels last" if self.channels_last else "") + (", compiled" if self.compiled else "")
        return f"{self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}{extra}"


@dataclass(frozen=True)
class Fingerprint:
    """The machine and what runs on it: results with equal fingerprints may be compared.

    The number of threads is no part of it, since it is a setting of every measurement.

    Attributes:
        device: 'CPU', or the name of the graphics card.
        processor: model of the CPU.
        cores: logical ones that the process may use.
        memory: of the machine, bytes, to the GiB; 0 where unknown.
        system: operating system and its release.
        python: version.
        torch: version.
        torchvision: version.
    """

    device: str
    processor: str
    cores: int
    memory: int
    system: str
    python: str
    torch: str
    torchvision: str

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that stand for all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def words(self) -> str:
        """One line for people."""
        hardware = [] if self.device == "CPU" else [self.device]
        hardware += [self.processor, f"{self.cores} cores"]
        if self.memory:
            hardware.append(f"{self.memory / 2**30:.0f} GiB")
        return ", ".join((*hardware, self.system, f"Python {self.python}", f"torch {self.torch}"))

    def differences(self, other: Fingerprint) -> tuple[str, ...]:
        """What of ``other`` is not as here, for people."""
        mine, theirs = asdict(self), asdict(other)
        return tuple(f"{name} {theirs[name]}" for name in mine if mine[name] != theirs[name])


@dataclass(frozen=True)
class Benchmark:
    """How fast one network is with one set of settings.

    Attributes:
        slug: of its card.
        title: for people.
        weights: which it ran with; the time does not depend on them.
        side: of its input, pixels.
        settings: how it ran.
        times_ms: of each pass for the whole batch, milliseconds, float64 (passes,). Not writable.
        warm_up: passes before, which do not count.
        peak_bytes: parameters, buffers, input, and the most that one pass held besides; None where it cannot be known.
        fingerprint: of the machine.
    """

    slug: str
    title: str
    weights: str
    side: int
    settings: Settings
    times_ms: np.ndarray
    warm_up: int
    peak_bytes: int | None
    fingerprint: Fingerprint

    @property
    def batch_size(self) -> int:
        """Images that went through it at once."""
        return self.settings.batch_size

    @property
    def precision(self) -> str:
        """'fp32', 'bf16' or 'fp16'."""
        return self.settings.precision

    @property
    def channels_last(self) -> bool:
        """Whether images lay in memory pixel by pixel."""
        return self.settings.channels_last

    @property
    def threads(self) -> int:
        """Torch's threads."""
        return self.settings.threads

    @property
    def compiled(self) -> bool:
        """Whether ``torch.compile`` had been at it."""
        return self.settings.compiled

    @property
    def median_ms(self) -> float:
        """Half of the passes took no longer, milliseconds for the whole batch."""
        return float(np.median(self.times_ms))

    @property
    def p95_ms(self) -> float:
        """19 of 20 passes took no longer, milliseconds for the whole batch; between two passes a straight line."""
        return float(np.percentile(self.times_ms, 95))

    @property
    def images_per_second(self) -> float:
        """Throughput at the median."""
        return 1000 * self.batch_size / self.median_ms

    def row(self) -> dict[str, Any]:
        """Numbers and names for a table; units stand in the names."""
        return {
            "network": self.title,
            "slug": self.slug,
            "input px": self.side,
            "batch": self.batch_size,
            "precision": self.precision,
            "channels last": self.channels_last,
            "threads": self.threads,
            "compiled": self.compiled,
            "median ms": self.median_ms,
            "p95 ms": self.p95_ms,
            "images/s": self.images_per_second,
            "peak MB": None if self.peak_bytes is None else self.peak_bytes / 1e6,
            "passes": len(self.times_ms),
            "weights": self.weights,
            "machine": self.fingerprint.hash,
        }
