"""Tests of whisper_speedtest/results/journals/."""
