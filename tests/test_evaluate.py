"""Evaluation of folders: what is read, what is written, and that however a run goes, the result is the same."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from explorer import answers, evaluate, images, models, predict
from explorer.errors import Cancelled
from explorer.evaluate import InvalidPlan, Plan, asking, cluster, folder
from explorer.evaluate.__main__ import main
from explorer.evaluate.plan import identity
from explorer.preprocessing import Preprocessing

ROOT = Path(__file__).parents[1]
NETWORKS = ("efficientnet_lite0", "efficientnet_lite1")
CROPS = 3


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, photos) -> Path:
    """A folder of class folders: three crops of four samples, a damaged file, an empty one, a text."""
    root = tmp_path_factory.mktemp("pictures")
    for name, within in (("chelsea", "cat"), ("coffee", "espresso"), ("rocket", "what is this"), ("flower", "")):
        (root / within).mkdir(exist_ok=True)
        for place in range(CROPS):
            photo = photos[name]
            size = (photo.width - 8 * place, photo.height - 8 * place)
            photo.crop((8 * place, 8 * place, *size)).resize((160, 150)).save(root / within / f"{name}{place}.jpg")
    (root / "cat" / "damaged.jpg").write_bytes((root / "cat" / "chelsea0.jpg").read_bytes()[:300])
    (root / "espresso" / "empty.png").touch()
    (root / "notes.txt").write_text("nothing")
    return root


@pytest.fixture
def plan(pictures, tmp_path) -> Plan:
    """Four shards of small batches, read in this process."""
    return Plan(pictures, NETWORKS, tmp_path / "out.parquet", device="cpu", batch_size=2, shard=4, workers=0)


@pytest.fixture(scope="module")
def unbroken(pictures, tmp_path_factory) -> Path:
    """What an unbroken run writes."""
    out = tmp_path_factory.mktemp("unbroken") / "out.parquet"
    evaluate.run(Plan(pictures, NETWORKS, out, device="cpu", batch_size=2, shard=4, workers=0))
    return out


def test_the_result_says_what_the_networks_say_one_photo_at_a_time(pictures, unbroken):
    found = evaluate.read(unbroken).answers
    assert len(found.files) == 4 * CROPS
    for place, file in enumerate(found.files):
        photo = images.open_image((pictures / file).read_bytes())
        alone = []
        for network, slug in enumerate(NETWORKS):
            model = models.load(slug, device="cpu")
            sure = predict.softmax(predict.logits(model, photo))
            alone.append(sure)
            assert found.top[place, network].tolist() == [each.index for each in predict.top_k(model, photo)]
            np.testing.assert_allclose(found.probability[place, network], np.sort(sure)[:-6:-1], atol=1e-5)
        divergence = answers.divergence(np.array(alone)[None])
        assert found.divergence[place] == pytest.approx(divergence[0], abs=1e-5)
        row = pq.read_table(unbroken).filter(pq.read_table(unbroken)["file"].to_numpy() == file).to_pylist()[0]
        assert row["efficientnet_lite0.margin"] == pytest.approx(
            np.sort(alone[0])[-1] - np.sort(alone[0])[-2], abs=1e-5
        )
        assert row["efficientnet_lite0.entropy"] == pytest.approx(float(answers.entropy(alone[0])), abs=1e-4)


def test_order_labels_and_bad_files(pictures, unbroken):
    table = pq.read_table(unbroken).to_pylist()
    assert [row["file"] for row in table] == sorted(row["file"] for row in table)
    assert {row["file"]: row["error"] for row in table if row["error"]}.keys() == {
        "cat/damaged.jpg",
        "espresso/empty.png",
    }
    skipped = next(row for row in table if row["file"] == "espresso/empty.png")
    assert "empty" in skipped["error"]
    assert [value for name, value in skipped.items() if name.startswith("efficient")] == [None] * 8
    targets = {row["folder"]: row["targets"] for row in table}
    assert targets == {"cat": [281, 282, 283, 284, 285], "espresso": [967], "what is this": [], "": []}
    theirs = [
        Path(path).relative_to(pictures).as_posix() for path, _ in ImageFolder(pictures, allow_empty=True).samples
    ]
    assert [row["file"] for row in table if row["folder"]] == theirs  # torchvision's walk, in torchvision's order
    counts = evaluate.tally(unbroken)
    found = evaluate.read(unbroken)
    assert (counts.files, counts.refused, counts.labelled) == (4 * CROPS + 2, 2, 2 * CROPS)
    assert [each.hits for each in answers.accuracy(found.answers)] == counts.hits.tolist()
    assert [each.hits for each in answers.accuracy(found.answers, 5)] == counts.hits5.tolist()
    assert answers.unanimous(found.answers) == counts.unanimous
    assert found.refused == counts.worst


def test_a_run_stopped_at_any_batch_goes_on_to_the_same_bytes(plan, unbroken):
    told: list[tuple[int, int]] = []
    for at in (1, 2, 3):
        count = itertools.count(1)
        with pytest.raises(Cancelled, match="goes on from there"):
            evaluate.run(plan, stopped=lambda at=at, count=count: next(count) >= at)
        assert not plan.out.exists()
    summary = evaluate.run(plan, progress=lambda done, total: told.append((done, total)))
    assert plan.out.read_bytes() == unbroken.read_bytes()
    assert 0 < summary.before < summary.files == 4 * CROPS + 2
    assert told[0][0] > summary.before
    assert told[-1] == (summary.files, summary.files)
    assert not plan.parts.exists()
    again = evaluate.run(plan)
    assert (again.before, again.files) == (summary.files, summary.files)


KILLED = """
import sys, time
from explorer import evaluate
from explorer.evaluate import __main__ as command

def progress(done, total):
    if done > 4:
        print("in the middle of the second shard", flush=True)
        time.sleep(600)

evaluate.run(command._plan(sys.argv[1:]), progress=progress)
"""


def test_a_killed_process_goes_on_to_the_same_bytes(plan, unbroken):
    command = ["--images", str(plan.images), "--models", ",".join(NETWORKS)]
    command += ["--out", str(plan.out), "--device", "cpu", "--batch-size", "2", "--shard", "4", "--workers", "1"]
    environment = {**os.environ, "CNN_EXPLORER_THREADS": str(torch.get_num_threads())}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in the middle of the second shard\n"
        process.kill()
        assert process.stdout.read() == b""  # at its end only when the worker, who holds it too, has ended as well
    assert process.returncode == -signal.SIGKILL
    assert not plan.out.exists()
    summary = evaluate.run(plan)
    assert summary.before == 4
    assert plan.out.read_bytes() == unbroken.read_bytes()


def test_workers_read_the_same_in_the_same_order(plan, unbroken):
    evaluate.run(replace(plan, workers=2))
    assert plan.out.read_bytes() == unbroken.read_bytes()


def test_a_hit_is_any_class_of_the_folder_and_each_folder_is_asked_about_once(monkeypatch):
    asked, isin = [], np.isin
    monkeypatch.setattr(np, "isin", lambda values, targets: (asked.append(targets), isin(values, targets))[1])
    sure = np.eye(6)[[[0, 1], [1, 2], [4, 4], [5, 0]]] + np.eye(6)[[[2, 3], [0, 0], [5, 0], [0, 1]]] / 2
    found = answers.collect("abcd", "xyxz", "MN", "012345", sure).with_targets([(0, 1), (2,), (), (0, 1)])
    assert found.hits(1).tolist() == [[True, True], [False, True], [False, False], [False, True]]
    assert found.hits(2).tolist() == [[True, True], [False, True], [False, False], [True, True]]
    assert sorted(asked) == [(0, 1), (0, 1), (2,), (2,)]


def test_what_changed_is_noticed_and_fresh_begins_again(plan, unbroken, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    for path in (plan.images / "cat").iterdir():
        os.link(path, own / path.name)
    first = replace(plan, images=own, models=NETWORKS[:1])
    with pytest.raises(Cancelled):
        evaluate.run(first, stopped=lambda: True)
    changes = {
        "other networks": replace(first, models=NETWORKS[1:]),
        "weights": replace(first, weights="random"),
        "--limit": replace(first, limit=3),
        "--batch-size": replace(first, batch_size=3),
    }
    for words, changed in changes.items():
        with pytest.raises(InvalidPlan, match=f"{words}.*--fresh"):
            evaluate.run(changed)
    Image.new("RGB", (9, 9)).save(own / "new.png")
    with pytest.raises(InvalidPlan, match=r"the folder has changed since.*--fresh"):
        evaluate.run(first)
    (own / "new.png").unlink()
    assert evaluate.run(first).files == CROPS + 1  # as it was: nothing is lost by asking
    with pytest.raises(InvalidPlan, match=r"out\.parquet holds another evaluation"):
        evaluate.run(changes["--limit"])
    evaluate.run(replace(changes["--limit"], fresh=True))
    assert pq.read_table(plan.out)["file"].to_pylist() == ["chelsea0.jpg", "chelsea1.jpg", "chelsea2.jpg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "own"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": Path("/nowhere")}, "no folder /nowhere"),
        ({"models": ()}, "No network is named"),
        ({"models": ("lenet5", "lenet5")}, "named twice"),
        ({"models": ("lenet5", "efficientnet_lite0")}, "know different classes"),
        ({"models": ("unet",)}, "does not name photos"),
        ({"models": ("resnet5",)}, "near names"),
        ({"batch_size": 0}, "at least one"),
        ({"limit": 0}, "leaves no picture"),
        ({"workers": -1}, "0 or more"),
        ({"out": Path("/nowhere/out.parquet")}, "folder that exists"),
        ({"device": "tpu"}, "no device"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(plan, change, words, tmp_path):
    with pytest.raises(Exception, match=words) as caught:
        evaluate.run(replace(plan, **change))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_file_is_never_replaced(plan, tmp_path):
    plan.out.write_bytes(b"my thesis")
    for fresh in (False, True):
        with pytest.raises(InvalidPlan, match="give another --out"):
            evaluate.run(replace(plan, fresh=fresh))
    assert plan.out.read_bytes() == b"my thesis"
    assert list(tmp_path.iterdir()) == [plan.out]
    with pytest.raises(InvalidPlan, match="no picture in"):
        evaluate.run(replace(plan, images=tmp_path))


def test_links_in_circles_pipes_and_odd_names_are_survived(tmp_path):
    root = tmp_path / "root"
    (root / "b" / "deep").mkdir(parents=True)
    (root / "a").symlink_to(root / "b")  # the same folder under another name: entered once
    (root / "b" / "deep" / "up").symlink_to(root)
    (root / "b" / "self").symlink_to(root / "b" / "self")
    os.mkfifo(root / "pipe.jpg")
    (root / "gone.jpg").symlink_to(root / "nothing")
    (root / ".hidden.jpg").touch()
    (root / "b" / "x.JPG").touch()
    (root / "b" / "deep" / "y.png").touch()
    Path(os.fsdecode(bytes(root) + b"/caf\xe9.png")).touch()
    found = folder.write(root, tmp_path / "listing", shard=2)
    names = [name for shard in range(found.shards) for name in folder.names(found.path, shard)]
    assert names == [b"a/deep/y.png", b"a/x.JPG", b"caf\xe9.png", b"gone.jpg"]
    assert folder.shown(names[2]) == "caf\\xe9.png"
    assert (found.files, found.length(0), found.length(1)) == (4, 2, 2)
    assert folder.write(root, tmp_path / "listing", shard=2).digest == found.digest
    os.utime(root / "b" / "x.JPG", ns=(1, 1))
    assert folder.write(root, tmp_path / "listing", shard=2).digest != found.digest


@pytest.mark.parametrize("slug", ["efficientnet_lite0", "lenet5", "vit_b_16"])
def test_a_batch_is_prepared_bit_for_bit_like_a_photo(photos, slug):
    from explorer import catalogue

    card = catalogue.get(slug)
    recipe: Preprocessing = card.bundled.preprocessing if card.bundled else card.preprocessing
    shown = [photos["chelsea"], photos["coffee"]]
    seen = np.stack([np.asarray(recipe.view(photo)) for photo in shown])
    batch = asking.normalise(recipe, torch.from_numpy(seen))
    assert torch.equal(batch, torch.cat([recipe.tensor(photo) for photo in shown]))


def test_batches_are_the_same_however_many_workers_share_them(plan, tmp_path):
    from explorer.evaluate.batches import Work

    listing = folder.write(plan.images, tmp_path / "listing", 5)
    recipe = Preprocessing(9, 8)
    shards = tuple(range(listing.shards))
    work = Work(plan.images, listing.path, shards, tuple(map(listing.length, shards)), 2, (recipe,))
    alone = [(batch.shard, batch.number, batch.files) for batch in work.batches()]
    assert len(alone) == work.count == 8
    shared = [[(each.shard, each.number, each.files) for each in work.batches(own, 3)] for own in range(3)]
    turns = [each for turn in itertools.zip_longest(*shared) for each in turn if each]
    assert turns == alone
    assert [(b.shard, b.number, b.files) for b in map(work.batch, range(work.count))] == alone
    assert [file for _, _, files in alone for file in files] == [
        folder.shown(name) for shard in shards for name in folder.names(listing.path, shard)
    ]


def test_a_shard_or_a_folder_without_a_picture_that_can_be_read_is_a_result_like_any_other(tmp_path, photos):
    root = tmp_path / "root"
    root.mkdir()
    for place in range(3):
        photos["coffee"].crop((place, 0, 150, 160)).save(root / f"{place}.png")
    for name in ("a.png", "b.png"):
        (root / name).touch()
    plan = Plan(root, NETWORKS, tmp_path / "out.parquet", device="cpu", batch_size=3, shard=3, workers=0)
    evaluate.run(plan)  # the second shard is a and b alone
    found = evaluate.read(plan.out)
    assert found.answers.files == ("0.png", "1.png", "2.png")
    assert found.answers.top.shape == (3, 2, 5)
    assert [file for file, _ in found.refused] == ["a.png", "b.png"]
    for place in range(3):
        (root / f"{place}.png").unlink()
    evaluate.run(replace(plan, fresh=True))
    found, counts = evaluate.read(plan.out), evaluate.tally(plan.out)
    assert (found.answers.files, found.answers.top.shape, len(found.refused)) == ((), (0, 2, 5), 2)
    assert (counts.files, counts.refused, counts.labelled, counts.unanimous) == (2, 2, 0, 0)


def test_the_command_reports_and_its_errors_are_sentences(plan, capsys):
    given = ["--images", str(plan.images), "--models", "efficientnet_lite0", "--out", str(plan.out), "--workers", "0"]
    assert main([*given, "--limit", "7", "--device", "cpu"]) == 0
    written = capsys.readouterr()
    assert "7 pictures" in written.out
    assert "1 could not be read; the column 'error' says why:" in written.out
    assert "EfficientNet-Lite0: top-1 " in written.out
    assert "7/7" in written.err
    assert main([*given, "--limit", "8", "--device", "cpu"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("damage", ["text", "cut", "columns", "version", "names", "top", "device", "targets", "empty"])
def test_what_is_no_result_is_refused_in_one_sentence(unbroken, tmp_path, damage):
    path = tmp_path / "bad.parquet"
    table = pq.read_table(unbroken)
    if damage == "text":
        path.write_text("file,answer")
    elif damage == "cut":
        path.write_bytes(unbroken.read_bytes()[:-200])
    elif damage == "columns":
        pq.write_table(table.drop_columns(["divergence"]), path)
    elif damage == "targets":
        place = table.schema.get_field_index("targets")
        pq.write_table(table.set_column(place, "targets", pa.nulls(len(table), table["targets"].type)), path)
    elif damage == "empty":
        pq.ParquetWriter(path, table.schema).close()
    else:
        key = b"cnn_explorer.evaluation"
        settings = json.loads(table.schema.metadata[key])
        other = {"version": {"format": 99}, "names": {"class_names": ["one"]}, "top": {"top": 3}}
        settings.update(other.get(damage, {damage: None}))
        pq.write_table(table.replace_schema_metadata({key: json.dumps(settings)}), path)
    with pytest.raises(InvalidPlan) as caught:
        evaluate.read(path)
    assert "\n" not in str(caught.value)


def test_without_a_label_or_a_second_network_it_still_works(plan):
    whole = replace(plan, models=NETWORKS[:1], images=plan.images / "what is this")
    evaluate.run(whole)
    found = evaluate.read(plan.out).answers
    assert not found.labelled.any()
    assert found.divergence.tolist() == [0.0] * CROPS


RAY = """
import logging, sys
from dataclasses import replace
from pathlib import Path
from explorer.errors import Cancelled, ExplorerError
from explorer.evaluate import Plan, run, running

images, networks, out, first = sys.argv[1:]
plan = Plan(Path(images), tuple(networks.split(",")), Path(out), device="cpu", batch_size=2, shard=4, ray="local")
try:
    run(plan, stopped=lambda: bool(list(plan.parts.glob("part-*"))))
except Cancelled:
    print("told", run(plan).before)
import ray
print("told", len(ray.nodes()))
ray.shutdown()
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
running.identity = lambda model: "what no node has"
try:
    run(replace(plan, out=Path(first), models=plan.models[:1], limit=2))
except ExplorerError as error:  # so whoever has the one core left enough of it to those who read
    print("told", error)
ray.shutdown()
"""


def test_ray_goes_on_to_the_same_bytes_skips_the_same_files_and_takes_no_other_weights(plan, unbroken, tmp_path):
    """In a process of its own: Ray leaves threads, signal handlers and warnings behind."""
    command = [sys.executable, "-c", RAY, plan.images, ",".join(NETWORKS), plan.out, tmp_path / "first.parquet"]
    with tempfile.TemporaryDirectory(prefix="r") as short:  # pytest's own paths are too long for Ray's sockets
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": short}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = [line.removeprefix("told ") for line in done.stdout.splitlines() if line.startswith("told ")]
    before, nodes, refused = told  # between them Ray says something now and then
    assert int(before) >= 2
    assert nodes == "1"
    assert refused.startswith("A node of the cluster loads EfficientNet-Lite0 with other weights (")
    mine, theirs = pq.read_table(unbroken), pq.read_table(plan.out)
    assert mine.schema.equals(theirs.schema, check_metadata=True)
    if torch.get_num_threads() == 1:
        assert plan.out.read_bytes() == unbroken.read_bytes()
    for name in mine.column_names:
        if mine[name].type in ("float", "list<element: float>"):
            np.testing.assert_allclose(
                np.array(mine[name].combine_chunks().drop_null().to_pylist()),
                np.array(theirs[name].combine_chunks().drop_null().to_pylist()),
                atol=1e-6,
            )
        else:
            assert mine[name].equals(theirs[name]), name


class Nodes:
    """What Ray tells of a cluster."""

    def __init__(self, *nodes: dict[str, float]) -> None:
        self._nodes = nodes

    def nodes(self):
        return [{"Alive": True, "Resources": each} for each in self._nodes]


@pytest.mark.parametrize("nodes", [({"CPU": 1.0},), ({"CPU": 1.0}, {"CPU": 8.0}), ({"CPU": 2.0},), ({},)])
def test_beside_every_actor_there_is_room_to_read(nodes):
    places, threads, own = cluster._places(Nodes(*nodes), "cpu")
    assert places == len(nodes)
    assert threads >= 1
    assert all(own + 1 <= node["CPU"] for node in nodes if node)


def test_a_cluster_with_graphics_cards_is_asked_from_a_machine_without_one(plan, unbroken, monkeypatch):
    """All of it but Ray itself: who answers here is this machine's own processor."""
    from explorer.evaluate import plain

    loaded = asking.load(NETWORKS, "auto", "cpu")
    monkeypatch.setattr(cluster, "start", lambda address, device: "cuda")
    monkeypatch.setattr(cluster, "answers", lambda plan, work, identities: plain.answers(work, loaded, 0))
    evaluate.run(replace(plan, device="auto", ray="far:6379"))
    found, theirs = evaluate.read(plan.out), evaluate.read(unbroken)
    assert (found.device, theirs.device) == ("cuda", "cpu")
    np.testing.assert_array_equal(found.answers.top, theirs.answers.top)


def test_an_actor_that_loads_other_weights_or_none_says_so_and_answers_nothing(monkeypatch):
    monkeypatch.setenv("CNN_EXPLORER_THREADS", str(torch.get_num_threads()))
    row = {"batch": [b"not even looked at"]}
    mine = (identity(models.load("efficientnet_lite0", device="cpu")),)
    for weights, device, words in (
        ("random", "cpu", r"loads EfficientNet-Lite0 with other weights \(random \(seed 0\)\)"),
        ("auto", "cuda:99", "cannot answer: This machine has no device 'cuda:99'"),
    ):
        actor = cluster._Asking(("efficientnet_lite0",), mine, weights, device, torch.get_num_threads())
        (answered,) = actor(row)["answered"]
        assert re.search(words, pickle.loads(answered))


def test_without_ray_one_sentence_names_the_remedy(plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Exception, match=r"pip install 'ray\[data\]'"):
        evaluate.run(replace(plan, ray="local"))
