"""Linting by running: examples that fail, and rules that another one always answers before."""

from __future__ import annotations

from gateway.document import Document
from gateway.task import TaskSpec
from gateway.tiers.rules.budget import TimeLimits
from gateway.tiers.rules.explain import explain_rule
from gateway.tiers.rules.lint.clock import Clock
from gateway.tiers.rules.lint.fields import LintedRule
from gateway.tiers.rules.lint.findings import Report
from gateway.tiers.rules.loading import RuleSet
from gateway.tiers.rules.schema import AgreementRule, LookupRule
from gateway.tiers.rules.tier import RulesTier
from gateway.values import canonical, equal

#: More than a document gets: an example says whether a rule is right, not whether this machine is busy.
_LIMITS = TimeLimits(rule=0.1, document=1.0)
#: All rules of a field run for each example of a rule; in a very large file the first rules must do.
_MOST_RULES_COMPARED = 200


def try_examples(task: TaskSpec, fields: dict[str, list[LintedRule]], report: Report, clock: Clock) -> None:
    """Run every rule's examples, on the rule alone and beside the rules before it."""
    compiled = {name: tuple(item.compiled for item in rules) for name, rules in fields.items()}
    # An example's text is short: to work out first which rules can find anything in it costs more than to run them.
    tier = RulesTier(RuleSet(task, compiled, ""), limits=_LIMITS, prefilter=False)
    for rules in fields.values():
        for item in rules:
            for number in range(len(item.compiled.spec.examples)):
                if why := clock.up:
                    report.at(
                        "R017", item.place.at("examples", number), f"the examples from here on were not run: {why}"
                    )
                    return
                if not _try_example(tier, item, number, report):
                    break
        for item in rules[:_MOST_RULES_COMPARED]:
            if clock.up:
                return
            _check_shadowed(tier, item, rules, report)


def _try_example(tier: RulesTier, item: LintedRule, number: int, report: Report) -> bool:
    """Run one example; whether it is worth running the rule's next one."""
    rule, example = item.compiled, item.compiled.spec.examples[number]
    options = tier.rules.task.options
    place = item.place.at("examples", number)
    before = tier.timeouts[rule.source]
    candidates = tier.try_rule(rule, example.text)
    if tier.timeouts[rule.source] > before:
        report.at("R044", place, "the rule ran out of time on this example; those behind it were not run")
        return False
    found = candidates[0].value if candidates else None
    if example.value is None:
        if found is not None:
            report.at("R041", place, f"expected nothing, found {found[:60]!r}")
        return True
    if canonical(rule.field.type, example.value, options=options) is None:
        return True  # said already
    if found is None:
        refusal = _refusal(tier, rule.source, example.text)
        if refusal:
            report.at("R043", place, f"expected {example.value[:60]!r}, but {refusal}")
        else:
            report.at("R041", place, f"expected {example.value[:60]!r}, found nothing")
    elif not equal(rule.field.type, found, example.value, options=options):
        report.at("R041", place, f"expected {example.value[:60]!r}, found {found[:60]!r}")
    return True


def _refusal(tier: RulesTier, source: str, text: str) -> str | None:
    """Why the rule refuses what it found, when it found anything."""
    rule = next(rule for rule in tier.rules.rules if rule.source == source)
    return next((reason.message for reason in explain_rule(tier.rules, rule, text) if reason.kind == "refused"), None)


def _check_shadowed(tier: RulesTier, item: LintedRule, rules: list[LintedRule], report: Report) -> None:
    """All its positive examples are answered alike by one rule before it: they do not show what it is for."""
    rule = item.compiled
    shown = [example for example in rule.spec.examples if example.value is not None]
    if not shown or rule.field.many or isinstance(rule.spec, AgreementRule):
        return
    before = rules[: rules.index(item)]
    # An agreement speaks for others, and a lookup knows some texts by heart: neither makes a rule needless.
    spoken_for = (AgreementRule, LookupRule)
    shadows = {other.compiled.source for other in before if not isinstance(other.compiled.spec, spoken_for)}
    for example in shown:
        if not shadows:
            return
        traced = tier.trace(Document(example.text), [rule.field.name])[rule.field.name]
        wanted = canonical(rule.field.type, example.value or "", options=tier.rules.task.options)
        shadows &= {run.rule.source for run in traced if run.candidates and run.candidates[0].normalised == wanted}
    if shadows:
        first = next(other.compiled for other in before if other.compiled.source in shadows)
        report.at("R051", item.place, f"rule {first.spec.id}, tried before it, answers all its examples alike")
