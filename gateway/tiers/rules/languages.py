"""Which of a few languages a text is in, by its function words.

Function words (articles, prepositions, conjunctions, pronouns) make up a third to a half of running text in these
languages and are nearly the same in every text, so that a short list tells languages apart without a model (Dunning
1994 compares such methods). Texts of names and numbers have none, and are of no known language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import regex

_LISTS = {
    "de": "der die das und ist nicht ein eine einen einem einer des dem den zu mit von für auf im in es sich auch als"
    " an wird sind bei oder nach aus wir sie ich wenn über nur werden durch zur zum kann noch hat ihre ihr",
    "en": "the of and to in is that for it on with as are this be by or not from at was have an which you we their"
    " has but will they would been his her our your shall any were if there can all its",
    "es": "el la los las de que y en un una es por con no se para su al lo como más pero sus le ya o este sí porque"
    " esta son entre cuando muy sin sobre también me hasta hay donde han quien del",
    "fr": "le la les des et est un une du en que qui dans pour pas sur avec ce il sont au par plus ne se nous vous"
    " cette ou mais comme leur aux ses être fait elle tout sans même ont été votre notre",
    "id": "yang dan di ke dari untuk dengan ini itu pada adalah tidak akan dalam oleh atau sebagai juga karena bisa"
    " dapat kami anda mereka telah saya harus serta bahwa lebih sudah saat agar",
    "it": "il lo la gli le di che e è un una in per con non del della dei delle si da al come più anche sono nel"
    " alla ma questo questa ha dal suo sua ci tra o se nella essere stato",
    "ms": "yang dan di ke dari untuk dengan ini itu pada adalah tidak akan dalam oleh atau sebagai juga kerana boleh"
    " dapat kami anda mereka telah saya harus serta bahawa lebih sudah tersebut ialah",
    "nl": "de het een en van in is dat op te voor met niet zijn aan er die door ook als om bij naar of uit maar wordt"
    " tot over deze dit werd kan worden heeft hun nog geen wij u uw onze",
    "pt": "o a os as de que e do da em um uma para com não é no na por mais dos das se como mas ao ele sua seu ou"
    " quando muito já está também só pelo pela até isso entre sem mesmo aos ter nos",
}
FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _LISTS.items()
}
#: With fewer words, or a smaller share of function words, no language is told.
_LEAST_WORDS = 12
_LEAST_SHARE = 0.15
#: By how much the share of another language's function words must be larger.
_MARGIN = 1.5
_WORD = regex.compile(r"\p{L}+")


def shares(text: str) -> dict[str, float]:
    """Language to the share of the text's words that are its function words; empty for very short texts."""
    words = Counter(_WORD.findall(text.casefold()))
    total = sum(words.values())
    if total < _LEAST_WORDS:
        return {}
    return {language: sum(words[word] for word in listed) / total for language, listed in FUNCTION_WORDS.items()}


def foreign_language(text: str, languages: frozenset[str]) -> str | None:
    """The language a text is clearly in, when it is none of ``languages``; ``None`` wherever there is doubt."""
    found = shares(text)
    if not found:
        return None
    best = max(found, key=lambda language: found[language])
    known = max((found[language] for language in languages), default=0.0)
    return best if best not in languages and found[best] >= max(_LEAST_SHARE, _MARGIN * known) else None
