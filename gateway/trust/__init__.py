"""How far a policy relies on rules: which of them it measured, and what becomes of the others."""

from gateway.trust.rules import TrustedRules
from gateway.trust.standing import FieldTrust, Standing, rule_digests, trust_of

__all__ = ["FieldTrust", "Standing", "TrustedRules", "rule_digests", "trust_of"]
