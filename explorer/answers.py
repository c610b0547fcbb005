"""What several networks say of many pictures: where they agree, where they do not, and how often they are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from explorer import calibration
from explorer.calibration import Reliability

TOP = 5


@dataclass(frozen=True)
class Answers:
    """Answers of M networks that know the same classes to N pictures.

    Attributes:
        files: N names, for people.
        folders: N names of the folders they lie in; '' where there is none.
        networks: M titles.
        classes: names of the classes by index.
        top: int32 (N, M, K), the K most probable classes, best first.
        probability: float32 (N, M, K), theirs.
        divergence: float64 (N,), how much the networks contradict each other, as `divergence` has it.
        targets: for each picture the classes that count as right; empty where that is not known.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    networks: tuple[str, ...]
    classes: tuple[str, ...]
    top: np.ndarray
    probability: np.ndarray
    divergence: np.ndarray
    targets: tuple[tuple[int, ...], ...]

    @property
    def labelled(self) -> np.ndarray:
        """Bool (N,): for which pictures it is known what they show."""
        return np.array([bool(each) for each in self.targets], bool)

    def with_targets(self, targets: Sequence[tuple[int, ...]]) -> Answers:
        """The same answers, with other classes that count as right."""
        return replace(self, targets=tuple(targets))

    def hits(self, k: int = 1) -> np.ndarray:
        """Bool (N, M): whether one of the first ``k`` answers is right; False where that is not known."""
        found = np.zeros(self.top.shape[:2], bool)
        alike: dict[tuple[int, ...], list[int]] = {}  # pictures of one folder together: there are few folders
        for place, targets in enumerate(self.targets):
            alike.setdefault(targets, []).append(place)
        for targets, places in alike.items():
            if targets:
                found[places] = np.isin(self.top[places, :, :k], targets).any(axis=-1)
        return found


@dataclass(frozen=True)
class Accuracy:
    """How often one network is right.

    Attributes:
        network: its title.
        k: within how many answers.
        hits: pictures for which one of them is right.
        of: labelled pictures.
        low: lower end of the 95 % interval (Wilson), 0 to 1.
        high: upper end.
    """

    network: str
    k: int
    hits: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The accuracy, 0 to 1."""
        return self.hits / self.of


def collect(
    files: Sequence[str],
    folders: Sequence[str],
    networks: Sequence[str],
    classes: Sequence[str],
    probabilities: np.ndarray,
    k: int = TOP,
) -> Answers:
    """Answers from whole distributions.

    Args:
        files: N names.
        folders: N names.
        networks: M titles.
        classes: C names.
        probabilities: (N, M, C), each row summing to 1.
        k: how many answers of each to keep.
    """
    top, kept = best(probabilities, k)
    unknown: tuple[tuple[int, ...], ...] = ((),) * len(files)
    return Answers(
        tuple(files),
        tuple(folders),
        tuple(networks),
        tuple(classes),
        top,
        kept,
        divergence(probabilities),
        unknown,
    )


def best(probabilities: np.ndarray, k: int = TOP) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` most probable classes (..., k) int32 and their probabilities float32, best first; ties by index."""
    order = np.argsort(-probabilities, axis=-1, kind="stable")[..., :k]
    return order.astype(np.int32), np.take_along_axis(probabilities, order, axis=-1).astype(np.float32)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon's entropy of distributions (..., C), bits: 0 for a certain answer, log2(C) for none at all."""
    logs = np.log2(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    return np.maximum(-(probabilities * logs).sum(axis=-1), 0.0)


def divergence(probabilities: np.ndarray) -> np.ndarray:
    """How much M distributions (N, M, C) contradict each other: (N,), 0 if equal, 1 if they have no class in common.

    Their Jensen-Shannon divergence (Lin 1991), the entropy of the mean minus the mean of the entropies, as a share of
    its largest value, log2(M) bits. 0 for a single network.
    """
    count = probabilities.shape[1]
    if count < 2:
        return np.zeros(len(probabilities))
    bits = entropy(probabilities.mean(axis=1)) - entropy(probabilities).mean(axis=1)
    return np.clip(bits / np.log2(count), 0.0, 1.0)


def agreement(answers: Answers) -> np.ndarray:
    """The share of pictures (M, M), 0 to 1, that two networks give the same first answer to."""
    first = answers.top[:, :, 0]
    return (first[:, :, None] == first[:, None, :]).mean(axis=0)


def unanimous(answers: Answers) -> int:
    """To how many pictures all networks give the same first answer."""
    first = answers.top[:, :, 0]
    return int((first == first[:, :1]).all(axis=1).sum())


def disputed(answers: Answers) -> np.ndarray:
    """Places of all pictures, those that the networks disagree about most first; equal ones as they come."""
    return np.argsort(-answers.divergence, kind="stable")


def accuracy(answers: Answers, k: int = 1) -> tuple[Accuracy, ...]:
    """How often each network is right within ``k`` answers, over the labelled pictures; empty without any."""
    known = answers.labelled
    of = int(known.sum())
    if not of:
        return ()
    hits = answers.hits(k)[known].sum(axis=0)
    return tuple(
        Accuracy(network, k, int(each), of, *calibration.wilson(int(each), of))
        for network, each in zip(answers.networks, hits, strict=True)
    )


def reliability(answers: Answers, network: int) -> Reliability | None:
    """How far one network's confidence can be taken at its word; None without labelled pictures."""
    known = answers.labelled
    if not known.any():
        return None
    return calibration.reliability(answers.probability[known, network, 0], answers.hits()[known, network])
