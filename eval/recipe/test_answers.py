"""The gate as a test of your own repository: copy this file to tests/ and run pytest from the root."""

from eval.__main__ import main


def test_the_answers_are_no_worse_than_the_baseline() -> None:
    """Fails with the verdict as captured output: what was lost, its evidence, and what came back."""
    assert main(["gate", "--questions", "questions", "--baseline", "gate/baseline.json"]) == 0
