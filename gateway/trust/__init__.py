"""How far a policy may be relied on: which rules and fields it measured, and what becomes of the others."""

from gateway.trust.fields import changed_fields, field_identities
from gateway.trust.promise import promise_digest
from gateway.trust.rules import TrustedRules
from gateway.trust.seen import SEEN, is_void, without_void_certificates
from gateway.trust.standing import FieldTrust, Standing, rule_digests, trust_of
from gateway.trust.targets import uncertified_fields

__all__ = [
    "SEEN",
    "FieldTrust",
    "Standing",
    "TrustedRules",
    "changed_fields",
    "field_identities",
    "is_void",
    "promise_digest",
    "rule_digests",
    "trust_of",
    "uncertified_fields",
    "without_void_certificates",
]
