"""How the answer is shown: findings become sentences here and nowhere else, verdicts become tables and JSON."""
