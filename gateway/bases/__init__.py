"""Base models: what they are, whether they are here and whole, and how to get them."""

from gateway.bases.catalogue import Base, Catalogue, load_bases, load_catalogue
from gateway.bases.fetch import fetch
from gateway.bases.store import base_directory, is_fetched, verify

__all__ = ["Base", "Catalogue", "base_directory", "fetch", "is_fetched", "load_bases", "load_catalogue", "verify"]
