"""Tests of whisper_speedtest/results/journal/."""
