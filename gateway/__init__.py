"""The cascade and its HTTP service."""

__version__ = "0.1.0"
