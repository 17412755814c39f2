"""Words of a caption as the Penn Treebank tokeniser of the caption benchmarks splits them, without Java.

The caption benchmarks lower-case, split with Stanford's PTB tokeniser and drop punctuation. The rules that matter
for captions are written here; agreement with the original was checked word by word on published prediction files.
"""

from __future__ import annotations

import re

#: Tokens that the benchmarks drop after splitting. Brackets are not among them: they become -lrb- and so on, and the
#: benchmarks' list has only the capital forms, so they count as words.
PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-",
                         "--", "...", ";", '"', "…", "‘", "’", "“", "”", "–", "—"])
_ABBREVIATIONS = (r"(?:mr|mrs|ms|dr|st|jr|sr|vs|etc|inc|co|corp|no|prof|gen|rep|sen|gov|lt|col|capt|sgt|ft|mt|ave|blvd|"
                  r"u\.s|u\.k|a\.m|p\.m|e\.g|i\.e|d\.c)\.")
_TOKEN = re.compile(
    r"(?P<quoted>'n')|(?P<url>https?://\S+|www\.\S+)"
    rf"|(?P<abbr>\b{_ABBREVIATIONS}(?=\s|$))"
    r"|(?P<number>[+-]?\.?\d+(?:[.,:/]\d+)*(?:st|nd|rd|th|s)?(?:-[a-z0-9]+)*)(?P<owner>'s)?"
    r"|(?P<word>(?:[^\W\d_]|\d)+(?:[&'’/-][^\W_]+|\.[^\W\d_]+)*)"
    r"|(?P<dots>\.{3,}|…)|(?P<dashes>-{2,})|(?P<other>\S)", re.UNICODE)
_CLITIC = re.compile(r"^(.+?)('s|'re|'ve|'d|'m|'ll|n't)$")
_SPECIAL = {"(": ["-lrb-"], ")": ["-rrb-"], "{": ["-lcb-"], "}": ["-rcb-"], "[": ["-lsb-"], "]": ["-rsb-"],
            "cannot": ["can", "not"], "gonna": ["gon", "na"], "gotta": ["got", "ta"], "wanna": ["wan", "na"],
            "lemme": ["lem", "me"], "gimme": ["gim", "me"], "d'ye": ["d'", "ye"], "'tis": ["'t", "is"],
            "'twas": ["'t", "was"]}


def words(text: str) -> list[str]:
    """Return the lower-case words of a caption, punctuation dropped.

    Examples
    --------
    >>> words("A man's dog, isn't it?")
    ['a', 'man', "'s", 'dog', 'is', "n't", 'it']
    """
    line = " ".join(text.lower().replace("’", "'").replace("‘", "'").split())
    out: list[str] = []
    for match in _TOKEN.finditer(line):
        if match["owner"]:
            out += [match["number"], "'s"]
        else:
            out += _split(match.group(), match.lastgroup or "")
    return [t for t in out if t not in PUNCTUATION]


def _split(token: str, kind: str) -> list[str]:
    if token in _SPECIAL:
        return _SPECIAL[token]
    if kind != "word":
        return [token]
    if token.endswith("'"):
        return [token[:-1]]
    clitic = _CLITIC.match(token)
    return [clitic.group(1), clitic.group(2)] if clitic else [token]
