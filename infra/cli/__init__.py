"""The command line: `paidup`."""
