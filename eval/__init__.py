"""Offline evaluation: questions with evidence, a run, its measures, and the gate."""
