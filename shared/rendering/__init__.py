"""Invoices as PDF and mails as HTML with a text alternative, from plain data."""
