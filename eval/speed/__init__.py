"""Speed: this service beside what people would pick instead, in one run on one machine.

`run.py` is the line. Others run in an environment of their own (`fleet.py`), and nothing of them is a part
of the product.
"""
