"""Tests of whisper_speedtest/cache/."""
