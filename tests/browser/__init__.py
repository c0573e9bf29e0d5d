"""Tests that drive a real browser: `make browser`."""
