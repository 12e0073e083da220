"""How far a policy may be relied on: which rules and fields it measured, and what becomes of the others."""

from gateway.trust.fields import changed_fields, field_identities
from gateway.trust.promise import promise_digest
from gateway.trust.rules import TrustedRules
from gateway.trust.standing import FieldTrust, Standing, rule_digests, trust_of
from gateway.trust.targets import uncertified_fields

__all__ = [
    "FieldTrust",
    "Standing",
    "TrustedRules",
    "changed_fields",
    "field_identities",
    "promise_digest",
    "rule_digests",
    "trust_of",
    "uncertified_fields",
]
