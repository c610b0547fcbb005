"""``python -m explorer.performance``: counts every network and writes `kept.json`."""

from __future__ import annotations

from tqdm import tqdm

from explorer import catalogue, devices
from explorer.performance import records

devices.configure_threads()
for _ in tqdm(records.write(), total=len(catalogue.titles(mine=False)), unit="network"):
    pass
