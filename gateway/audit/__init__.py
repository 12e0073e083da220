"""Trust while the service runs: audits of accepted answers, feedback, and tests that notice when a promise is broken.

``auditor`` puts a random share of accepted answers to the large tier or to a person; ``store`` keeps answers,
judgements and feedback; ``evidence`` and ``promise`` are the sequential tests; ``shift`` watches unlabelled traffic.
``docs/audit.md`` says in plain words what each of them can and cannot tell.
"""
