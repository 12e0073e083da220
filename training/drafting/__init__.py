"""First versions of what people then edit: a task's ``task.yaml``, and its rules."""
