"""What Paidup promises about speed and cost, runnable. Each prints a table and one JSON line per figure."""
