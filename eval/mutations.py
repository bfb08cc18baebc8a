"""The proof of the gate: seeded faults that must fail it, and harmless changes that must not.

Each mutation makes a subject of its own, a bundle or a way of asking, from the one that is sound. The
bundle is changed as a fault in the code would change it: the text of a sentence is cut, a vector is moved,
a number in the calibration is another one. Faults of the encoder are built, as a wrong build would.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnxruntime.quantization

from eval.asking import Ask, in_process
from eval.gate import Baseline, Verdict, compare
from eval.questions import Question
from eval.run import Run, run
from indexer.build import build_bundle
from indexer.bundle import Bundle, open_bundle, vectors_index
from indexer.embedding import DEFAULT_ENCODER, find_encoder
from indexer.passages import Passage
