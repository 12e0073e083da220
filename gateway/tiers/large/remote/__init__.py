"""The remote large tier: any server that speaks the OpenAI chat completions interface. Needs no torch."""
