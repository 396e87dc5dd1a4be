"""The benchmarks: plain pytest tests, and the only place with a clock."""
