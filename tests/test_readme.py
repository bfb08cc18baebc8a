"""What the README says is so: its commands exist, its example is what comes out, its files are there."""

import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from indexer.bundle import Bundle
from indexer.documents import read_document
from indexer.reports import read_report
from service.__main__ import main
from service.answer import Answerer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The fenced code blocks of a language, without the indentation that a list gives them."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", README, re.M | re.S)
    return [re.sub(f"^{indent}", "", block, flags=re.M) for indent, block in found]


def between(opening: str, closing: str) -> str:
    return README.split(f"<!-- {opening} -->")[1].split(f"<!-- {closing} -->")[0]


def test_the_example_is_what_the_command_prints(
    bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks("console")
    command, _, expected = example.partition("\n")
    program, *arguments = shlex.split(command.removeprefix("$ "))
    assert program == "report-qa"
    main([*arguments, "--bundle", str(bundle_path)])
    assert capsys.readouterr().out == expected


def test_every_make_command_is_a_target() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make (\w+)", README, re.M))
    assert {"serve", "test", "eval"} <= named
    assert named <= targets
    for variable in re.findall(r"make \w+ ([A-Z_]+)=", README):
        assert variable in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"report-qa ((?:index )?[a-z]+)", README))))
def test_every_command_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "--help"])
    assert left.value.code == 0
    assert f"usage: report-qa {command}" in capsys.readouterr().out


def test_every_file_and_folder_exists() -> None:
    rooms = "corpus|indexer|service|eval|tests|lock"
    named = re.findall(rf"`((?:{rooms})/[\w./-]*|[A-Z]+|[\w-]+\.toml)`|\]\(([\w./-]+)\)", README)
    paths = {path or link for path, link in named} - {"report.toml", "corpus/WATER-2025/report.md"}
    assert len(paths) > 12
    missing = sorted(
        path for path in paths if not (ROOT / path).exists() and not path.startswith("REPORT_QA")
    )
    assert missing == []


def test_every_folder_has_its_line() -> None:
    rows = set(re.findall(r"^\| `(\w+)/` \|", README, re.M))
    shown = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert rows == shown - {"build", "dist"}


def test_the_report_toml_of_the_five_minutes_is_good(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    folder = tmp_path / tomllib.loads(example)["id"]
    folder.mkdir()
    (folder / "report.toml").write_text(example, "utf-8")
    (folder / "report.md").write_text("# Water\n\nThe valley pays \\$7 for a tonne of water.\n", "utf-8")
    report = read_report(folder)
    assert all(report.metadata().values()), "a field that the example leaves out"
    assert report.suggestions
    assert "pays $7 for" in read_document(report).text


def test_every_request_works(client: TestClient) -> None:
    requests = [
        request for block in blocks("sh") for request in re.split(r"\n\n", block) if "curl" in request
    ]
    assert len(requests) == 3
    for request in requests:
        program, *arguments = shlex.split(request.replace("\\\n", " "))
        assert program == "curl"
        url = urlsplit(
            next(argument for argument in arguments if argument.startswith("http://127.0.0.1:8000/"))
        )
        path = f"{url.path}?{url.query}"
        if "-d" in arguments:
            headers = dict([arguments[arguments.index("-H") + 1].split(": ")])
            reply = client.post(path, content=arguments[arguments.index("-d") + 1], headers=headers)
        else:
            reply = client.get(path)
        assert reply.status_code == 200, request


def test_every_environment_variable_is_listed() -> None:
    pattern = r"REPORT_QA_\w+"
    settings = (ROOT / "service/settings.py").read_text("utf-8")
    assert set(re.findall(rf"^\| `({pattern})` \|", README, re.M)) == set(re.findall(pattern, settings))


def test_the_failures_that_it_owns_up_to_still_happen(bundle: Bundle) -> None:
    """Once one of them is mended, the README has to say so."""
    questions = re.findall(r'- "(.+)"', between("answered, though the report does not say", "/"))
    assert questions
    for question in questions:
        assert Answerer(bundle).answer(question).answerable, question


def test_the_results_name_their_command_and_every_row_is_whole() -> None:
    header, rule, *rows = between("results", "/results").strip().splitlines()
    assert rows
    assert {line.count("|") for line in (header, rule, *rows)} == {header.count("|")}
    (command,) = set(re.findall(r"`python -m eval (run[^`]*)`", README))
    assert command == "run --split test"


def test_no_line_is_too_long_to_read() -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", README, flags=re.M | re.S)
    assert [line for line in prose.splitlines() if len(line) > 115 and not line.startswith("|")] == []
