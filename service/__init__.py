"""Online half: one question becomes one cited answer."""

import os

# Before numpy is loaded, since it reads this once: a question is answered on one thread. With more, the
# threads of several small products wait for each other, and a question takes five times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
