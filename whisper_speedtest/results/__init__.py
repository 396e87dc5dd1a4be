"""What is told of a run: reads what the benchmarks recorded, and times nothing."""
