"""What joins two dates or times to a range: *1-3 March*, *9 to 5 pm*, *2018-01-01 until 2018-02-01*.

A range is no date and no time, and its ends need each other's month, year or half of the day: neither is read alone.
"""

from __future__ import annotations

DASH = "[-\u2010-\u2015]"
_UNTIL = r"(?:up\s)?(?:to|until|till|through|thru)(?:\sand\sincluding)?"
#: Between two ends of a range in words.
WORD_SOURCE = rf"\s{_UNTIL}\s(?:the\s)?"
#: Between two ends of a range, or between two values of which a text leaves open which it is.
JOINT_SOURCE = rf"(?:\s?{DASH}\s?|\s?/\s?|,?\s(?:{_UNTIL}|and|or|&)\s)(?:the\s)?"
