"""What the service does under load and faults, measured with real processes over loopback: see docs/serving.md."""
