"""Which rules can find anything in a text, told by one scan for the literals that their patterns need."""

from gateway.tiers.rules.prefilter.index import Prefilter

__all__ = ["Prefilter"]
