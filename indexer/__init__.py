"""Offline half: a corpus of reports becomes one sealed bundle."""

import os

# onnxruntime (1.32) keeps a journal of its use in the home folder and sends it to its maker, unless told not
# to before it is imported. What is asked here is nobody's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
