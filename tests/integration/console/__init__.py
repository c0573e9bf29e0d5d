"""The console, driven as a person's browser drives it."""
