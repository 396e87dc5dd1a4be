"""What is told of a run. Takes results, and never looks into pytest-benchmark."""
