"""What is made of a run: its evaluation and report, features, neighbours, answers."""
