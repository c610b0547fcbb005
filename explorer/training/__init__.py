"""Transfer learning: a network of the catalogue, tuned on a visitor's own pictures."""

from __future__ import annotations

from explorer.training.background import go_on, of, start
from explorer.training.bundled import get as bundled_set
from explorer.training.bundled import sets
from explorer.training.checkpoints import BadCheckpoint, RunBusy
from explorer.training.datasets import BadDataset, Dataset, Item, Report
from explorer.training.fitting import fit, resume
from explorer.training.learner import Diverged
from explorer.training.plan import GUIDE, NONE, Augmentation, BadPlan, Plan
from explorer.training.progress import Epoch, Progress
from explorer.training.reading import from_archive, from_folder, from_images
from explorer.training.records import Run
from explorer.training.registry import UnknownRun, before, bring, entitle, forget, get, load, open_checkpoint, runs
from explorer.training.results import Evaluation, Looks, Mistake, data, evaluate, looks, of_run, table
from explorer.training.stages import NotTrainable, Split, Stage

__all__ = [
    "GUIDE",
    "NONE",
    "Augmentation",
    "BadCheckpoint",
    "BadDataset",
    "BadPlan",
    "Dataset",
    "Diverged",
    "Epoch",
    "Evaluation",
    "Item",
    "Looks",
    "Mistake",
    "NotTrainable",
    "Plan",
    "Progress",
    "Report",
    "Run",
    "RunBusy",
    "Split",
    "Stage",
    "UnknownRun",
    "before",
    "bring",
    "bundled_set",
    "data",
    "entitle",
    "evaluate",
    "fit",
    "forget",
    "from_archive",
    "from_folder",
    "from_images",
    "get",
    "go_on",
    "load",
    "looks",
    "of",
    "of_run",
    "open_checkpoint",
    "resume",
    "runs",
    "sets",
    "start",
    "table",
]
