"""Offline half: a corpus of reports becomes one sealed bundle."""
