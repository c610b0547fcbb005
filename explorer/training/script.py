"""The script that uses a tuned network outside of the app."""

from __future__ import annotations

from explorer.training.records import Run


def file_name(run: Run) -> str:
    """Of the checkpoint to save beside the script."""
    return f"{run.name}.safetensors"


def text(run: Run) -> str:
    """Ten lines of Python; they need this app's folder on the path, and the checkpoint beside them."""
    return f'''import sys
from pathlib import Path

from explorer import images, predict, training

model = training.open_checkpoint(Path(__file__).with_name("{file_name(run)}"))
for name in sys.argv[1:]:
    photo = images.open_image(Path(name).read_bytes())
    for answer in predict.top_k(model, photo, k=3):
        print(f"{{name}}: {{answer.label}}, {{answer.probability:.1%}}")
'''
