"""Fitting combiners and choosing accept thresholds: what ``cascade calibrate`` does."""
