"""How it is put together and run."""

import os

# numpy's OpenBLAS keeps a thread per core, which spins between calls: a quarter of a core on two cores, taken from the
# recogniser. The products here are small. It reads this when numpy is first imported, so before everything else.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
