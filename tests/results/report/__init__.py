"""Tests of whisper_speedtest/results/report/."""
