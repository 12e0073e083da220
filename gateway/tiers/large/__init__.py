"""The local large tier: a fetched base with this task's adapter merged into it. Only this package imports torch, when
it is used."""
