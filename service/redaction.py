"""What is blotted out of visitors' words before they are written anywhere."""

import re

# No e-mail address has more than 64 characters before the @. Without a bound a long word would be read to its
# end from each of its letters; looking behind for where it begins would miss an address that follows another.
_ADDRESS = re.compile(
    r"[\w.+-]{1,64}@[\w-]++(?:\.[\w-]+)+"  # e-mail
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b"  # IPv4
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}:?[0-9a-f]{1,4}(?![\w:])"  # IPv6
    r"|\+\d[\d ().-]{7,}\d",  # telephone
    re.I,
)
# A telephone, card or account number: nine digits or more, as people group them. Years and sums are shorter,
# or have commas.
_NUMBER = re.compile(r"(?<![\w,.])\(?\d(?:[ ()./-]{0,2}\d){8,}(?![\w,])")


def without_addresses(text: str) -> str:
    """A text without e-mail and network addresses and international telephone numbers."""
    return _ADDRESS.sub("[address]", text)


def redact(text: str) -> str:
    """A text without addresses, nor any long run of digits."""
    return _NUMBER.sub("[number]", without_addresses(text))
