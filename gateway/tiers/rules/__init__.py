"""The rules tier: patterns, anchors, positions, blocks and lookups that people edit as files."""

from gateway.tiers.rules.budget import TimeLimits
from gateway.tiers.rules.loading import RuleSet, load_rules
from gateway.tiers.rules.text import MAX_SCANNED_CHARS
from gateway.tiers.rules.tier import RulesTier

__all__ = ["MAX_SCANNED_CHARS", "RuleSet", "RulesTier", "TimeLimits", "load_rules"]
