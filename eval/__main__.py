"""`report-qa eval run|calibrate`, also `python -m eval`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import indexer
from eval.questions import QUESTIONS, QuestionError, load_questions
from eval.report import table
from eval.run import in_process, run
from indexer.__main__ import DEFAULT_BUNDLE
from indexer.bundle import BundleError, open_bundle


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one evaluation command; 0 if it succeeded, 1 with one line on stderr if not."""
    options = _parser().parse_args(arguments)
    try:
        bundle = open_bundle(options.bundle)
        texts = {document.id: document.text for document in bundle.documents.values()}
        questions = load_questions(options.questions, texts)
        if options.command == "calibrate":
            from eval.calibrate import calibrate, write_calibration

            path = Path(indexer.__file__).parent / "calibration.json"
            write_calibration(calibrate(bundle, questions), path)
            print(f"wrote {path}; 'report-qa index build' takes it into the bundle", file=sys.stderr)
        else:
            chosen = [q for q in questions if options.split in {"all", q.split}]
            print(table(run(chosen, in_process(bundle), texts)))
    except (BundleError, QuestionError, ValueError) as error:
        print(f"report-qa eval: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="report-qa eval", description="Measure the answers on known questions."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="run|calibrate")
    run_ = commands.add_parser("run", help="ask every question and print the measures")
    run_.add_argument("--split", choices=("dev", "test", "all"), default="all", help="(%(default)s)")
    calibrate_ = commands.add_parser("calibrate", help="fit the confidence on the dev questions")
    for command in (run_, calibrate_):
        command.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="(%(default)s)")
        command.add_argument("--questions", type=Path, default=QUESTIONS, help="(%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
