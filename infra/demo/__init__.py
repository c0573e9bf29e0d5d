"""The demo: a sample company and what becomes of its invoices in three months."""
