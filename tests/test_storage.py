"""Where lasting data goes."""

from __future__ import annotations

import platformdirs

from explorer import storage


def test_the_variable_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "mine"))
    assert storage.folder("training", "run-1") == tmp_path / "mine" / "training" / "run-1"
    assert (tmp_path / "mine" / "training" / "run-1").is_dir()


def test_else_it_is_the_systems_own(monkeypatch, tmp_path):
    monkeypatch.delenv(storage.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert storage.folder("benchmarks").is_relative_to(platformdirs.user_data_path("cnn-explorer"))
