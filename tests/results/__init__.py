"""Tests of whisper_speedtest/results/."""
