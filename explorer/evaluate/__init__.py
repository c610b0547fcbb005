"""Networks over folders of any size: `python -m explorer.evaluate --images DIR --models a,b --out results.parquet`.

A run goes through the folder in shards of about a thousand pictures. Each finished shard is a file of its own beside
the result, so whatever ends a run, the next one goes on; and since shards and batches are the same in every run, the
result is the same, byte for byte, whether it was broken off or not, on one machine or on a cluster of the same kind.
"""

from explorer.evaluate.plan import InvalidPlan, Plan
from explorer.evaluate.results import Results, read, tally
from explorer.evaluate.running import Summary, run

__all__ = ["InvalidPlan", "Plan", "Results", "Summary", "read", "run", "tally"]
