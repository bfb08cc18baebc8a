"""Whether an excerpt begins and ends where a sentence or a line does.

Written without the splitter's rules, since it is the splitter that is on trial: an excerpt cut short is
verbatim, and may well lie inside the evidence, and is no answer all the same.
"""

import re

_BEFORE = re.compile(r"(?:^|\n|[.!?:;…]['\"”’»)\]]*[ \t]+|[。！？]['\"”’»」』]*)[ \t]*$")
_BULLET = re.compile(r"(?:^|\n)[ \t]*(?:[-*•‣◦|]|\d{1,3}[.)]|\(?[a-z]\))[ \t]*$")
_END = re.compile(r"[.!?:;…。！？]['\"”’»)\]」』*_]*$")
_AFTER = re.compile(r"[ \t]*(?:\n|$|\|)")
_REACH = 12
"""Characters looked at on either side."""


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` is not empty and is not cut out of the middle of a sentence or word."""
    excerpt = text[start:end]
    if len(excerpt) != end - start or not excerpt or excerpt != excerpt.strip():
        return False
    before = text[max(0, start - _REACH) : start]
    begins = bool(_BEFORE.search(before) or _BULLET.search(before)) if start else True
    ends = bool(_END.search(text[max(start, end - _REACH) : end]) or _AFTER.match(text[end : end + _REACH]))
    return begins and ends
