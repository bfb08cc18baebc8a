"""`report-qa index build|publish|rollback|verify|show`. Without what builds, all but `build` work."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from indexer.bundle import BundleError, open_bundle
from indexer.embedding import DEFAULT_ENCODER, EncoderError
from indexer.publication import KEPT, publish, rollback
from indexer.reading import DEFAULT_READER, ReaderError
from indexer.reports import CorpusError

DEFAULT_BUNDLE = Path("build/bundle")
DEFAULT_CORPUS = Path("corpus")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one index command; 0 if it succeeded, 1 with one line on stderr if not."""
    options = _parser().parse_args(arguments)
    try:
        _COMMANDS[options.command](options)
    except (CorpusError, EncoderError, ReaderError, BundleError) as error:
        print(f"report-qa index: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise  # whoever read the output has left: no trouble of an index
    except OSError as error:  # a full disk, no permission
        where = f"{error.filename}: " if error.filename else ""
        remedy = "what was served still is; mend that and run it again"
        print(f"report-qa index: {where}{error.strerror or error}; {remedy}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="report-qa index", description="Build and inspect the bundle.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build the bundle from the corpus, if anything changed")
    build.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS, help="folder of reports (%(default)s)")
    build.add_argument(
        "--encoder",
        default=DEFAULT_ENCODER,
        help="packaged model, model folder, or Hugging Face hub name (%(default)s)",
    )
    build.add_argument(
        "--reader",
        default=DEFAULT_READER,
        help="the reader that ships, a cross-encoder's folder or hub name, or 'none' (%(default)s)",
    )
    build.add_argument(
        "--store",
        type=Path,
        metavar="FILE",
        help="embeddings made before, used again for texts that did not change (beside the bundle)",
    )
    build.add_argument("--force", action="store_true", help="build even if nothing changed")
    publish = commands.add_parser(
        "publish",
        help="serve a bundle that was built elsewhere",
        description="Verify a bundle, copy it beside the one that is served, and serve it from then on. "
        f"Of those before it, the last {KEPT - 1} are kept to roll back to.",
    )
    publish.add_argument("source", type=Path, help="the bundle: a sealed folder, or a link to one")
    rollback = commands.add_parser("rollback", help="serve the bundle before the one that is served now")
    verify = commands.add_parser("verify", help="check every file of the bundle against its manifest")
    show = commands.add_parser("show", help="print what the bundle holds, passage by passage")
    for command in (build, publish, rollback, verify, show):
        command.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="the bundle (%(default)s)")
    return parser


def _build(options: argparse.Namespace) -> None:
    from indexer.build import build_bundle

    build_bundle(
        options.corpus,
        options.bundle,
        options.encoder,
        None if options.reader == "none" else options.reader,
        force=options.force,
        store=options.store or options.bundle.with_name(f"{options.bundle.name}.embeddings"),
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )


def _publish(options: argparse.Namespace) -> None:
    print(f"{options.bundle}: serves {publish(options.source, options.bundle)}")


def _rollback(options: argparse.Namespace) -> None:
    print(f"{options.bundle}: serves {rollback(options.bundle)}")


def _verify(options: argparse.Namespace) -> None:
    bundle = open_bundle(options.bundle)
    print(f"{options.bundle}: sound, {len(bundle.manifest['files'])} files, {bundle.id}")


def _show(options: argparse.Namespace) -> None:
    bundle = open_bundle(options.bundle)
    encoder, counts = bundle.manifest["encoder"], bundle.manifest["counts"]
    parity = encoder["parity"]
    print(f"bundle     {bundle.id}")
    print(f"encoder    {encoder['id']}, {encoder['dimension']} dimensions, {encoder['quantization']}")
    print(f"parity     cosine {parity['mean_cosine']} on average, {parity['min_cosine']} at least")
    print(f"counts     {', '.join(f'{number} {name}' for name, number in counts.items())}")
    for document in bundle.documents.values():
        print(f"\n{document.id}  {document.title}  ({document.metadata['date'] or 'undated'})")
        for passage in (p for p in bundle.passages if p.document_id == document.id):
            words = " ".join(bundle.text(passage).split())
            place = " > ".join(passage.heading_path) or document.title
            print(f"  {passage.passage_id}  [{passage.start}, {passage.end})  {place}\n    {words}")


_COMMANDS = {
    "build": _build,
    "publish": _publish,
    "rollback": _rollback,
    "verify": _verify,
    "show": _show,
}


if __name__ == "__main__":
    sys.exit(main())
