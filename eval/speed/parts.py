"""The parts of a speed run, each of which can be run alone, and how one fails."""

PARTS = ("latency", "repeats", "throughput", "neighbour", "memory", "cold", "install", "build", "encoding")


class SpeedError(RuntimeError):
    """A run of the benchmarks cannot go on; the message names the system and what it said."""
