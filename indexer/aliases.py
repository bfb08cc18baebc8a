"""The names that a report itself gives one thing: acronyms, and what is "also known as" something else.

Acronyms in brackets are matched to the words before them as in Schwartz & Hearst (2003), "A simple
algorithm for identifying abbreviation definitions in biomedical text". Other names ("aka JNIM") need
not share letters with what they stand for: there the name before the bracket is taken. So is what an
acronym is set beside: "a peacekeeping operation, MINUSMA, …".
"""

import re
from collections.abc import Iterator, Mapping

_BRACKET = re.compile(r"\(([^()]{2,60})\)")
_APPOSITION = re.compile(r"\b(?:[Aa]n?|[Tt]he)\s+((?:[\w-]+\s+){0,3}[\w-]+),\s+([A-Z]{3,12}),")
_SHORT = re.compile(r"[A-Z][A-Za-z0-9&.-]{1,11}")
_ALSO = re.compile(r"^(?:aka|a\.k\.a\.|also known as|also called|formerly known as|or)\s+", re.IGNORECASE)
_NAME = re.compile(
    r"[A-Z][\w'’-]*(?:\s+(?:(?:of|for|the|and|in|on|to|de|du|des|la|le|al|&)\s+){0,2}[A-Z][\w'’-]*)*\s*$"
)


def aliases(text: str) -> dict[str, str]:
    """Short name → the name it stands for, each as the text writes it; the first definition counts."""
    found: dict[str, str] = {}
    for match in _BRACKET.finditer(text):
        before = text[max(0, match.start() - 120) : match.start()]
        name = _name_before(before)
        long = None
        for short, also in _short_names(match.group(1)):
            if not also:
                long = _long_form(short, before) or (name if name and _initials(name, short) else None)
            elif long is None:
                long = name
            if long and long != short:
                found.setdefault(short, " ".join(long.split()))
    for match in _APPOSITION.finditer(text):
        found.setdefault(match.group(2), " ".join(match.group(1).split()))
    return found


def spell_out(text: str, names: Mapping[str, str]) -> str:
    """Write what each short name stands for after its first mention, unless the text has it already."""
    for short, long in names.items():
        if short not in text or long in text:  # told at once: of many reports, there are thousands of names
            continue
        if match := re.search(rf"(?<![\w-]){re.escape(short)}(?!\w)", text):
            text = f"{text[: match.end()]} ({long}){text[match.end() :]}"
    return text


def write_out(text: str, names: Mapping[str, str]) -> str:
    """Put what each short name stands for in its place."""
    for short, long in names.items():
        if short in text:
            literal = long.replace("\\", r"\\")
            text = re.sub(rf"(?<![\w-]){re.escape(short)}(?!\w)", literal, text)
    return text


def _short_names(bracket: str) -> Iterator[tuple[str, bool]]:
    """The short names in a bracket such as "IS, aka ISIS/ISIL", and whether each follows an "aka"."""
    also = False
    for part in re.split(r"\s*[,;]\s*", bracket):
        also = also or _ALSO.match(part) is not None
        for name in _ALSO.sub("", part).split("/"):
            name = name.strip(" \"'“”")
            if _SHORT.fullmatch(name) and sum(char.isupper() for char in name) >= 2:
                yield name, also


def _long_form(short: str, before: str) -> str | None:
    """The shortest run of words before the bracket that holds the short name's letters in order."""
    words = before.split()
    letters = [char.lower() for char in short if char.isalnum()]
    text = " ".join(words[-min(len(letters) + 5, len(letters) * 2) :])
    position = len(text)
    for number, letter in enumerate(reversed(letters), start=1):
        position -= 1
        first = number == len(letters)
        while position >= 0 and not (
            text[position].lower() == letter
            and (not first or position == 0 or not text[position - 1].isalnum())
        ):
            position -= 1
        if position < 0:
            return None
    long = text[position:]
    return long if len(long.split()) > 1 else None


def _name_before(before: str) -> str | None:
    match = _NAME.search(before)
    return re.sub(r"^(?:The|A|An)\s+", "", match.group().strip()) if match else None


def _initials(name: str, short: str) -> bool:
    """Whether the name's capitals are the short name's, in any order: a translated name keeps only those."""
    capitals = [word[0] for word in name.split() if word[0].isupper()]
    return len(capitals) > 2 and sorted(capitals) == sorted(char for char in short if char.isupper())
