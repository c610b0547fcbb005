"""See inside image networks: PyTorch in, frozen results and figures out.

Importing this package imports neither torch nor Streamlit; its modules are imported where they are used.
"""

import os

# Linux only, harmless elsewhere: torch asks the kernel for 2 MB pages for large tensors. Holding every activation of
# ResNet-50 (127 MB in 4 kB pages) cost 1.5 bare forward passes, mostly page faults; with this 1.1. torch reads it once,
# at its first allocation, hence here.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
