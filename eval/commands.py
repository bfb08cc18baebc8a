"""What each `eval` command does: load, run, judge, write."""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import indexer
from eval.asking import DEEPEST, DEPTH, Ask, Service, in_process
from eval.coverage import stats
from eval.gate import Verdict, compare, load_baseline, read_history
from eval.gate import accept as accepted
from eval.junit import junit
from eval.measures import rank_scores
from eval.perturb import robustness
from eval.questions import Question, load_questions
from eval.report import html_report
from eval.run import Run, load_run, qrels
from eval.run import run as ask_all
from eval.stages import measure_stages
from eval.summary import summarize
from eval.tables import run_tables, verdict_text
from eval.trec import write_qrels, write_trec_run
from indexer.bundle import Bundle, open_bundle
from indexer.cross_encoder import FILES
from service.answer import Mode
from service.retriever import fitted

if TYPE_CHECKING:
    from eval.calibrate import Asked
    from eval.lessons import Lesson

Options = argparse.Namespace


@dataclass(frozen=True)
class _Subject:
    """What is measured: an open bundle in this process, or a service elsewhere."""

    ask: Ask
    ask_deep: Ask
    texts: dict[str, str]
    bundle_id: str
    weights: Mapping[str, float]
    close: Callable[[], None] = lambda: None


def run(options: Options) -> int:
    """Ask every question, print the measures, write what was asked for."""
    with closing(_subject(options)) as subject:
        questions = load_questions(options.questions, subject.texts)
        chosen = [q for q in questions if options.split in {"all", q.split}]
        made = _run(options, subject, chosen, stages=not options.quick, robust=not options.quick)
    _write(options, made, chosen, subject.texts, None)
    print(run_tables(made, summarize(made.outcomes)))
    if options.everywhere:
        print(_reports_first(made, chosen))
    return 0


def _reports_first(made: Run, questions: list[Question]) -> str:
    """How often the first passage is of the report that a question is about."""
    report = {question.id: question.document_id for question in questions if question.answerable}
    first = [
        outcome.ranking[0].startswith(f"{report[outcome.id]}:")
        for outcome in made.outcomes
        if outcome.id in report
    ]
    return f"\nThe right report first: {sum(first)} of {len(first)} ({sum(first) / len(first):.3f})."


def gate(options: Options) -> int:
    """Compare with the baseline; 0 if it may pass."""
    baseline = load_baseline(options.baseline)
    with closing(_subject(options)) as subject:
        questions = load_questions(options.questions, subject.texts)
        made = _saved_or_run(options, subject, questions, robust=bool(options.html))
    verdict = compare(baseline, made)
    _write(options, made, questions, subject.texts, verdict)
    print(verdict_text(verdict, {q.id: q for q in questions}, subject.texts))
    return 0 if verdict.passed else 1


def accept(options: Options) -> int:
    """Make a run the baseline."""
    with closing(_subject(options)) as subject:
        questions = load_questions(options.questions, subject.texts)
        made = _saved_or_run(options, subject, questions, robust=True)
    old = load_baseline(options.baseline) if options.baseline.is_file() else None
    baseline, line = accepted(made, options.reason, old, set_floors=options.set_floors)
    options.baseline.parent.mkdir(parents=True, exist_ok=True)
    baseline.save(options.baseline)
    with options.baseline.with_name("history.jsonl").open("a", encoding="utf-8") as history:
        history.write(line)
    print(f"{options.baseline} is now {made.made['bundle_id']}", file=sys.stderr)
    return 0


def questions(options: Options) -> int:
    """Check the question files, or show what they cover."""
    bundle = open_bundle(options.bundle)
    found = load_questions(options.questions, _texts(bundle))
    print(stats(found, bundle) if options.what == "stats" else f"{len(found)} questions, all sound")
    return 0


def held_out(options: Options) -> int:
    """Make a bundle and questions of the reports that were held out of training."""
    from eval.lessons import read_titles, write_held_out
    from indexer.build import build_bundle

    titles = read_titles(options.titles) if options.titles else {}
    write_held_out(options.reports, titles, options.into)
    build_bundle(options.into / "corpus", options.into / "bundle", progress=_say)
    _say(f"measure with: run --bundle {options.into}/bundle --questions {options.into}/questions")
    return 0


def calibrate(options: Options) -> int:
    """Fit fusion, answers and confidence on the dev questions, and on what `held_out` has made."""
    from eval.calibrate import calibrate, write_calibration

    path = Path(indexer.__file__).parent / "calibration.json"
    write_calibration(calibrate(*_asked(options)), path)
    _say(f"wrote {path}; 'report-qa index build' takes it into the bundle")
    return 0


def train(options: Options) -> int:
    """Train the encoder's adapter, and write its card beside it."""
    from eval.lessons import counts
    from eval.training import Trainer, model_card
    from indexer.adapter import ADAPTER
    from indexer.embedding import BASE_ENCODER, PassageEncoder, find_encoder

    reports, judge, written, others = _lessons(options)
    trainer = Trainer(PassageEncoder(find_encoder(BASE_ENCODER)), options.seed, _say)
    outside = [lesson for found in others.values() for lesson in found]
    result = trainer.train([*reports, *written], outside, judge)
    trainer.save(ADAPTER)
    learned = counts(
        {options.reports.name: reports, options.written.name: written, **others},
        silent=False,
    )
    ADAPTER.with_suffix(".md").write_text(model_card(result, learned, options.made_by), "utf-8")
    _say(f"wrote {ADAPTER}; held-out reports after: {result['after']}")
    return 0


def train_query_encoder(options: Options) -> int:
    """Train what encodes questions from what encodes passages, and write its card beside it."""
    from eval.distillation import Distillation, asked, distilled_card, plain_sentences
    from eval.lessons import counts
    from indexer.distilled import DISTILLED
    from indexer.embedding import ADAPTED_ENCODER, PassageEncoder, find_encoder

    reports, judge, written, others = _lessons(options)
    learned = {options.reports.name: reports, options.written.name: written, **others}
    lessons = [lesson for found in learned.values() for lesson in found]
    outside = [lesson for found in others.values() for lesson in found]
    sentences = plain_sentences(options.sentences, {lesson.name for lesson in judge}, outside)
    distillation = Distillation(PassageEncoder(find_encoder(ADAPTED_ENCODER)), options.seed, _say)
    distillation.train(asked(lessons), sentences, options.steps)
    distillation.save(DISTILLED, distillation.directions([*reports, *written]))
    result = distillation.judge(asked(judge))
    learned_from = {**counts(learned), "sentences": len(sentences)}
    card = distilled_card(result, learned_from, options.steps, options.made_by)
    DISTILLED.with_suffix(".md").write_text(card, "utf-8")
    _say(f"wrote {DISTILLED}; held-out reports: {result}")
    return 0


def _lessons(
    options: Options,
) -> "tuple[list[Lesson], list[Lesson], list[Lesson], dict[str, list[Lesson]]]":
    """Lessons on reports, those to judge by, those that were written for this, and those of collections."""
    from random import Random

    from eval.lessons import held_out, read_collection, read_reports, read_written
    from eval.reader_training import ROUNDS

    random = Random(options.seed)
    reports, judge = held_out(read_reports(options.reports))
    written = [x for name, *_ in ROUNDS for x in read_written(options.written / name, options.corpus)]
    others = {folder.name: read_collection(folder, random) for folder in options.collection}
    return reports, judge, written, others


def train_reader(options: Options) -> int:
    """Train the reader, and write its card beside it."""
    from random import Random

    from eval.lessons import (
        WHOLE,
        counts,
        held_out,
        read_collection,
        read_reports,
        read_titles,
        read_written,
        thinned,
    )
    from eval.reader_training import JUDGED_ARTICLES, ROUNDS, Phase, ReaderTrainer, reader_card
    from indexer.embedding import BASE_ENCODER, PassageEncoder, find_encoder
    from indexer.reading import SHIPPED

    random = Random(options.seed)
    reports, judge = held_out(read_reports(options.reports, read_titles(options.titles)))
    written = {name: read_written(options.written / name, options.corpus) for name, *_ in ROUNDS}
    others = {folder.name: thinned(read_collection(folder, random, WHOLE)) for folder in options.collection}
    articles = [lesson for found in others.values() for lesson in found if lesson.silent][::JUDGED_ARTICLES]
    learned = {name: [lesson for lesson in found if lesson not in articles] for name, found in others.items()}
    trainer = ReaderTrainer(
        PassageEncoder(find_encoder(BASE_ENCODER)), options.seed, options.checkpoint, _say
    )
    outside = [lesson for found in learned.values() for lesson in found]
    phases = [Phase("outside collections", outside)]
    lessons = reports
    for name, epochs, share, coarse in ROUNDS:
        lessons = [*lessons, *written[name]]
        phases.append(
            Phase(f"reports and what was written up to {name}", lessons, epochs, outside, share, coarse)
        )
    trainer.train(phases)
    trainer.save(SHIPPED)
    result = {"held-out reports": trainer.judge(judge), "held-out articles": trainer.judge(articles)}
    asked = [lesson for lessons in written.values() for lesson in lessons]
    learned = {options.reports.name: reports, options.written.name: asked, **learned}
    card = reader_card(result, counts(learned), phases, options.made_by)
    (SHIPPED / "README.md").write_text(card, "utf-8")
    _say(f"wrote {SHIPPED}: {result}")
    return 0


def mutations(options: Options) -> int:
    """Put seeded faults and harmless changes before the gate; 0 if it did right by all of them."""
    from eval.faults import MUTATIONS, Sound
    from eval.mutations import prove, table

    names = [mutation.name for mutation in MUTATIONS]
    for name in options.only or ():
        if name not in names:
            raise ValueError(f"found {name!r}; expected one of: {', '.join(names)}")
    bundle = open_bundle(options.bundle)
    found = load_questions(options.questions, _texts(bundle))
    chosen = [m for m in MUTATIONS if m.name in (options.only or names)]
    with tempfile.TemporaryDirectory() as folder:
        sound = Sound(options.corpus, bundle, found, Path(folder))
        proofs = prove(sound, chosen, _say)
    _report(options, f"Mutations of {bundle.id}, {len(found)} questions", table(proofs))
    return 0 if all(proof.proven for proof in proofs) else 1


def crashes(options: Options) -> int:
    """Kill builds, publishes and rollbacks at random instants; 0 if a whole bundle was served after each."""
    from random import Random

    from eval.operations.crashes import Trials, failures, kills, real_yard, small_yard, table

    random, trials = Random(options.seed), list[Trials]()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # a trial without permissions is to fail later than here
        real = real_yard(Path(folder, "real"), options.bundle) if options.real else None  # or ends here
        small = small_yard(Path(folder, "small"))
        trials += kills(small, options.kills, random, _say)
        for each in failures(small, random):
            _say(each.name)
            trials.append(each)
        if real:
            for each in kills(real, options.real, random, _say):
                each.name = f"the real bundle, {each.name}"
                trials.append(each)
    _report(options, "Crashes", table(trials))
    return 1 if any(each.failures for each in trials) else 0


def mutants(options: Options) -> int:
    """Open a bundle in which something was changed, thousands of times; 0 if none was served."""
    from random import Random

    from eval.operations.mutants import prove, table

    with tempfile.TemporaryDirectory() as folder:
        found = prove(options.bundle, Path(folder, "mutant"), options.number, Random(options.seed), _say)
    _report(options, "Mutants of a bundle", table(found))
    return 1 if any(each.failures for each in found) else 0


def ablation(options: Options) -> int:
    """Take out each part of retrieval, or put it in another way, and measure what is left."""
    from eval.ablation import ABLATIONS, Subject, measure

    subjects = [Subject("report", options.corpus, options.bundle, options.questions)]
    if options.held_out:
        parts = (options.held_out / name for name in ("corpus", "bundle", "questions"))
        subjects.append(Subject("held-out", *parts))
    with tempfile.TemporaryDirectory() as folder:
        table = measure(ABLATIONS, subjects, Path(folder), _say)
    _report(options, "What each part of retrieval is worth", table)
    return 0


def frontier(options: Options) -> int:
    """Measure how much is read, and by which reader, against what it is worth."""
    from eval.frontier import WAYS, Way, frontier_page, measure

    named = []
    for given in options.reader:
        name, _, folder = given.partition("=")
        if not folder or not all(Path(folder, file).is_file() for file in FILES):
            raise ValueError(
                f"--reader is {given!r}; expected NAME=FOLDER, a folder with {' and '.join(FILES)}"
            )
        named.append(Way(name, reader=Path(folder)))
    points = measure([*WAYS, *named], _asked(options), _say)
    subjects = ["report", "held-out"][: len(points[0].worth)]
    folder = options.markdown.parent if options.markdown else options.bundle.parent
    _report(options, "What reading takes, and what it is worth", frontier_page(points, subjects, folder))
    return 0


def bench(options: Options) -> int:
    """Measure on an outside collection."""
    from eval.bench import bench_table
    from eval.collection import load_judged, load_spans

    judged, spans = load_judged(options.collection), load_spans(options.collection)
    if not judged and not spans:
        raise ValueError(f"{options.collection}: found neither corpus.jsonl nor qa.jsonl; expected one")
    cache = options.cache / options.collection.name
    tables = bench_table(judged, spans, options.collection, cache, options.stages, _say)
    _report(options, f"Bench: {options.collection.name}", tables)
    return 0


def overload(options: Options) -> int:
    """Offer a service more than it can answer, and tell what it did; 0 whatever came out."""
    from eval.operations.overload import measure, table

    asked = load_questions(options.questions, _texts(open_bundle(options.bundle)))
    texts = [question.question for question in asked if not question.history]
    found = measure(options.bundle, texts, options.seconds, options.times, _say, options.lanes)
    _report(
        options, f"Overload: {options.times:g} times its capacity for {options.seconds:g} s", table(found)
    )
    return 0


def soak(options: Options) -> int:
    """Ask a service for long from many clients; 1 if any answer was wrong."""
    from eval.operations.soak import measure, table

    texts = _texts(open_bundle(options.bundle))
    asked = load_questions(options.questions, texts)
    found = measure(options.bundle, asked, texts, options.asked, options.clients, _say)
    _report(options, f"Soak: {options.asked} questions from {options.clients} clients", table(found))
    return 0 if found.sound else 1


def speed(options: Options) -> int:
    """Measure speed beside what people would pick instead; 1 if the controls say that the run is void."""
    from eval.speed.page import keep_reading, speed_page
    from eval.speed.run import Plan, run_speed

    plan = Plan(
        parts=options.only,
        peers=options.peers,
        rounds=options.rounds,
        asked=options.asked,
        seconds=options.seconds,
        port=options.port,
        work=options.work,
        lock=options.lock,
        corpus=options.corpus,
        collections=options.collections,
        passages=options.passages,
    )
    result = run_speed(plan, _say)
    made = f"`{options.made_by}`, with the commit that carries this file; {_now()}; {machine()}"
    path = options.markdown or options.work / "speed.md"
    page = speed_page(result, made, path.parent)
    old = path.read_text("utf-8") if path.is_file() else ""
    path.write_text(keep_reading(page, old), "utf-8")
    print(page)
    return 1 if any(row.void for row in result.rows) else 0


def scale(options: Options) -> int:
    """Measure how building, answering and memory grow with the corpus."""
    from eval.speed.scale import measure_index, measure_sizes, scale_page

    sizes = list(measure_sizes(options.collections, options.passages, options.work, _say))
    largest = open_bundle(Path(sizes[-1].bundle))
    alone = [measure_index(largest, count, _say) for count in options.vectors]
    made = f"`{options.made_by}`, with the commit that carries this file; {_now()}; {machine()}"
    path = options.markdown or options.work / "scale.md"
    page = scale_page(sizes, alone, made, path.parent)
    path.write_text(page, "utf-8")
    print(page)
    return 0


def _report(options: Options, title: str, body: str) -> None:
    """Print a table, and write it with what is needed to make it again."""
    print(body)
    if options.markdown:
        made = f"`{options.made_by}`, with the commit that carries this file; {_now()}; {machine()}"
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(f"# {title}\n\n{made}\n\n{body}\n", "utf-8")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine() -> str:
    """This machine in a few words, for whoever compares times."""
    version = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {version}"


def _subject(options: Options) -> _Subject:
    everywhere = getattr(options, "everywhere", False)
    mode: Mode = getattr(options, "mode", "accurate")
    if options.url and everywhere:
        raise ValueError("--everywhere goes with --bundle; found --url")
    if options.url:
        service = Service(options.url)
        index = service.index()
        ask, deep = (partial(service.ask, depth=depth, mode=mode) for depth in (DEPTH, DEEPEST))
        weights = fitted(index["calibration"], fast=mode == "fast")["fusion"]
        return _Subject(ask, deep, service.texts(), index["bundle_id"], weights, service.close)
    bundle = open_bundle(options.bundle)
    weights = fitted(bundle.manifest["calibration"], fast=mode == "fast")["fusion"]
    here, here_deep = (in_process(bundle, depth, mode, everywhere=everywhere) for depth in (DEPTH, DEEPEST))
    return _Subject(here, here_deep, _texts(bundle), bundle.id, weights)


def _asked(options: Options) -> "list[Asked]":
    """The report that ships with its questions and, if it is there, what `held_out` has made."""
    from eval.calibrate import Asked

    places = [(options.bundle, options.questions)]
    if options.held_out:
        places.append((options.held_out / "bundle", options.held_out / "questions"))
    opened = [(open_bundle(bundle), questions) for bundle, questions in places]
    return [Asked(bundle, load_questions(questions, _texts(bundle))) for bundle, questions in opened]


def _texts(bundle: Bundle) -> dict[str, str]:
    return {document.id: document.text for document in bundle.documents.values()}


def _saved_or_run(options: Options, subject: _Subject, questions: list[Question], *, robust: bool) -> Run:
    if options.run:
        return load_run(options.run)
    return _run(options, subject, questions, stages=True, robust=robust)


def _run(
    options: Options, subject: _Subject, questions: list[Question], *, stages: bool, robust: bool
) -> Run:
    outcomes = ask_all(questions, subject.ask, subject.texts, _progress("questions"))
    extras: dict[str, object] = {}
    if robust:
        told = _progress("ways of typing")
        shares = robustness(questions, outcomes, subject.ask, subject.texts, told)
        extras["robustness"] = {name: [s.mean, s.low, s.high] for name, s in shares.items()}
    if stages:
        told = _progress("questions by stage")
        extras["stages"] = measure_stages(subject.weights, questions, subject.ask_deep, told)
    made = {
        "bundle_id": subject.bundle_id,
        "command": options.made_by,
        "date": _now(),
        "machine": machine(),
    }
    return Run(made, tuple(outcomes), extras)


def _write(
    options: Options, made: Run, questions: list[Question], texts: dict[str, str], verdict: Verdict | None
) -> None:
    asked = {question.id: question for question in questions}
    if options.json:
        made.save(options.json)
    if options.junit:
        options.junit.write_text(junit(made, asked, texts, verdict), "utf-8")
    if options.markdown:
        parts = [verdict_text(verdict, asked, texts)] if verdict else []
        options.markdown.write_text("\n\n".join([*parts, run_tables(made, summarize(made.outcomes))]) + "\n")
    if options.html:
        baseline = getattr(options, "baseline", None)
        history = read_history(baseline.with_name("history.jsonl")) if baseline else read_history()
        before = load_baseline(baseline).run if baseline else None
        options.html.write_text(html_report(made, asked, texts, verdict, before, history), "utf-8")
    if options.trec:
        options.trec.mkdir(parents=True, exist_ok=True)
        ranked = {o.id: rank_scores(o.ranking) for o in made.outcomes if o.answerable}
        write_trec_run(options.trec / "run.txt", ranked, tag="report-qa")
        write_qrels(options.trec / "qrels.txt", qrels(made.outcomes))


def _progress(what: str) -> Callable[[int, int], None]:
    """Tell on stderr how far it is: in place on a terminal, else at every quarter."""

    def told(done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{done} of {total} {what}", end=end, file=sys.stderr, flush=True)
        elif done == total or done * 4 // total > (done - 1) * 4 // total:
            print(f"{done} of {total} {what}", file=sys.stderr, flush=True)

    return told
