"""`report-qa eval …`, also `python -m eval …`: arguments and printing only."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval import feedback
from eval.asking import ServiceError
from eval.collection import CollectionError
from eval.gate import BASELINE
from eval.questions import QUESTIONS, WRITTEN, QuestionError
from eval.run import RunError
from eval.speed.parts import PARTS, SpeedError
from eval.speed.peers import PEERS
from indexer.__main__ import DEFAULT_BUNDLE, DEFAULT_CORPUS
from indexer.bundle import BundleError

_STAGES = ("bm25", "dense", "fusion", "full")
_EXPECTED = (BundleError, QuestionError, RunError, ServiceError, CollectionError, SpeedError, ValueError)
_LISTED = f"one or more of: {', '.join(PARTS)} (all)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one evaluation command; 0 if it succeeded, 1 if the gate said no or with one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    options.made_by = " ".join(["python -m eval", *given])
    try:
        if options.command == "import-feedback":
            return feedback.import_feedback(options)
        # Named, not imported: `questions check` should not load a search engine.
        from eval import commands

        command = getattr(commands, options.command.replace("-", "_"))
        return int(command(options))
    except _EXPECTED as error:
        print(f"report-qa eval: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """What every command takes."""
    parser = argparse.ArgumentParser(
        prog="report-qa eval", description="Measure the answers on known questions, and guard them."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="ask every question and print the measures")
    run.add_argument("--split", choices=("dev", "test", "all"), default="all", help="(%(default)s)")
    run.add_argument("--quick", action="store_true", help="leave out stages and robustness")
    run.add_argument(
        "--everywhere", action="store_true", help="ask all reports of the bundle at once, not each its own"
    )
    run.add_argument(
        "--mode", choices=("accurate", "fast"), default="accurate", help="whether to read (%(default)s)"
    )
    gate = commands.add_parser("gate", help="compare with the baseline; exit status 1 if it got worse")
    accept = commands.add_parser("accept", help="make this run the baseline")
    accept.add_argument("--reason", required=True, help="why the baseline moves; kept in the history")
    accept.add_argument("--set-floors", action="store_true", help="set the floors of each kind anew")
    questions = commands.add_parser("questions", help="check the question files, or show what they cover")
    questions.add_argument("what", choices=("check", "stats"))
    calibrate = commands.add_parser("calibrate", help="fit the confidence on the dev questions")
    calibrate.add_argument(
        "--held-out", type=Path, metavar="DIR", help="what `held-out` made, to fit what is read on, too"
    )
    held = commands.add_parser("held-out", help="make bundle and questions of reports not trained on")
    held.add_argument("--reports", type=Path, required=True, metavar="DIR", help="texts/ and questions.jsonl")
    held.add_argument("--titles", type=Path, metavar="FILE", help="titles of the reports")
    held.add_argument("--into", type=Path, default=Path("build/held-out"), help="(%(default)s)")
    train = commands.add_parser("train", help="train the encoder's adapter anew")
    train.add_argument(
        "--reports", type=Path, required=True, metavar="DIR", help="texts/ and questions.jsonl"
    )
    train.add_argument("--written", type=Path, default=WRITTEN, metavar="DIR", help="(%(default)s)")
    train.add_argument(
        "--corpus", type=Path, nargs="+", required=True, metavar="FILE", help="texts of what is written on"
    )
    train.add_argument("--collection", type=Path, action="append", default=[], metavar="DIR")
    train.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    reader = commands.add_parser("train-reader", help="train the reader anew; goes on where it was stopped")
    reader.add_argument(
        "--reports", type=Path, required=True, metavar="DIR", help="texts/ and questions.jsonl"
    )
    reader.add_argument("--titles", type=Path, required=True, metavar="FILE", help="titles of the reports")
    reader.add_argument("--written", type=Path, default=WRITTEN, metavar="DIR", help="(%(default)s)")
    reader.add_argument(
        "--corpus", type=Path, nargs="+", required=True, metavar="FILE", help="texts of what is written on"
    )
    reader.add_argument("--collection", type=Path, action="append", default=[], metavar="DIR")
    reader.add_argument("--checkpoint", type=Path, default=Path("build/reader.pt"), help="(%(default)s)")
    reader.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    query_encoder = commands.add_parser(
        "train-query-encoder", help="train anew what encodes questions in `fast`; after `train`"
    )
    query_encoder.add_argument(
        "--reports", type=Path, required=True, metavar="DIR", help="texts/ and questions.jsonl"
    )
    query_encoder.add_argument("--written", type=Path, default=WRITTEN, metavar="DIR", help="(%(default)s)")
    query_encoder.add_argument(
        "--corpus", type=Path, nargs="+", required=True, metavar="FILE", help="texts of what is written on"
    )
    query_encoder.add_argument(
        "--sentences",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="texts to take sentences from",
    )
    query_encoder.add_argument("--collection", type=Path, action="append", default=[], metavar="DIR")
    query_encoder.add_argument("--steps", type=int, default=3_000, help="(%(default)s)")
    query_encoder.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    mutations = commands.add_parser("mutations", help="prove the gate: seeded faults must fail it")
    mutations.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    mutations.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS, help="(%(default)s)")
    mutations.add_argument("--only", nargs="+", metavar="NAME", help="only these faults or changes")
    ablation = commands.add_parser("ablation", help="take out each part of retrieval, and measure")
    ablation.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    ablation.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS, help="(%(default)s)")
    ablation.add_argument("--held-out", type=Path, metavar="DIR", help="what `held-out` made: measure it too")
    frontier = commands.add_parser("frontier", help="what reading takes, and what it is worth")
    frontier.add_argument("--markdown", type=Path, metavar="FILE", help="write table and plot there too")
    frontier.add_argument("--held-out", type=Path, metavar="DIR", help="what `held-out` made: measure it too")
    frontier.add_argument(
        "--reader", action="append", default=[], metavar="NAME=FOLDER", help="another reader (repeatable)"
    )
    feedback.add_arguments(
        commands.add_parser("import-feedback", help="turn visitors' judgements into draft questions")
    )
    bench = commands.add_parser("bench", help="measure on an outside collection (BEIR or span layout)")
    bench.add_argument("--collection", type=Path, required=True, metavar="DIR")
    bench.add_argument("--stages", nargs="+", choices=_STAGES, default=list(_STAGES))
    bench.add_argument("--cache", type=Path, default=Path("build/bench"), help="vectors (%(default)s)")
    bench.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    crashes = commands.add_parser("crashes", help="kill builds and publishes: a whole bundle is served")
    crashes.add_argument("--kills", type=int, default=3_000, help="of small bundles (%(default)s)")
    crashes.add_argument("--real", type=int, default=0, help="of the real bundle (%(default)s)")
    mutants = commands.add_parser("mutants", help="change a bundle anywhere: it must be refused")
    mutants.add_argument("--number", type=int, default=5_000, help="of mutants (%(default)s)")
    for command in (crashes, mutants):
        command.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="(%(default)s)")
        command.add_argument("--seed", type=int, default=0, help="(%(default)s)")
        command.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")

    overload = commands.add_parser("overload", help="offer a service more than it can answer")
    overload.add_argument("--seconds", type=float, default=60.0, help="(%(default)s)")
    overload.add_argument("--times", type=float, default=10.0, help="its capacity (%(default)s)")
    overload.add_argument("--lanes", type=int, help="of the service (CPU cores)")
    soak = commands.add_parser("soak", help="ask a service for long, from many clients")
    soak.add_argument("--asked", type=int, default=200_000, help="questions (%(default)s)")
    soak.add_argument("--clients", type=int, default=64, help="at once (%(default)s)")
    for command in (overload, soak):
        command.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")

    speed = commands.add_parser("speed", help="measure speed beside what people would pick instead")
    speed.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=_LISTED)
    speed.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="(all)")
    speed.add_argument("--rounds", type=int, default=8, help="blocks of each system (%(default)s)")
    speed.add_argument(
        "--asked", type=int, default=60, help="questions in a block of one client (%(default)s)"
    )
    speed.add_argument("--seconds", type=float, default=3.0, help="of a block of several (%(default)s)")
    speed.add_argument(
        "--port", type=int, default=8330, help="the first of one for each system (%(default)s)"
    )
    speed.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS, help="what is served (%(default)s)")
    speed.add_argument(
        "--collections", type=Path, metavar="DIR", help="texts for the build and encoding rows"
    )
    speed.add_argument(
        "--passages", type=int, default=100, help="of them that are built, at least (%(default)s)"
    )
    speed.add_argument("--work", type=Path, default=Path("build/speed"), help="(%(default)s)")
    speed.add_argument("--lock", type=Path, default=Path("lock/bench.txt"), help="(%(default)s)")
    speed.add_argument("--markdown", type=Path, metavar="FILE", help="write the page there, plots beside it")

    scale = commands.add_parser("scale", help="measure how time and memory grow with the corpus")
    scale.add_argument(
        "--collections", type=Path, required=True, metavar="DIR", help="*.jsonl[.gz] with text"
    )
    scale.add_argument("--passages", type=int, default=100_000, help="in the largest corpus (%(default)s)")
    scale.add_argument(
        "--vectors", type=int, nargs="*", default=[1_000_000], help="in an index alone (%(default)s)"
    )
    scale.add_argument("--work", type=Path, default=Path("build/scale"), help="(%(default)s)")
    scale.add_argument("--markdown", type=Path, metavar="FILE", help="write the page there, a plot beside it")

    for command in (run, gate, accept):
        command.add_argument("--url", help="ask the service at this address instead of the bundle")
    for command in (gate, accept):
        command.add_argument("--run", type=Path, metavar="FILE", help="a saved run; else it is made now")
        command.add_argument("--baseline", type=Path, default=BASELINE, help="(%(default)s)")
    for command in (run, gate):
        for form in ("json", "junit", "markdown", "html"):
            command.add_argument(f"--{form}", type=Path, metavar="FILE", help=f"write it as {form} there")
        command.add_argument("--trec", type=Path, metavar="FOLDER", help="write TREC run and qrels there")
    asking = (run, gate, accept, questions, calibrate, mutations, ablation, frontier, overload, soak)
    for command in asking:
        command.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="(%(default)s)")
        command.add_argument("--questions", type=Path, default=QUESTIONS, help="(%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
