"""The benchmarks: plain pytest tests of libraries, one measure a test."""
